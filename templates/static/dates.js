// Shows when the lessons would come as soon as the hour, the days or the zone are chosen.
// Without it a button of the form does the same.
(function () {
  "use strict";
  var place = document.getElementById("dates");
  var pace = document.getElementById("pace");
  var button = document.getElementById("show-dates");
  if (!place || !pace || !window.fetch || !window.URLSearchParams) return;
  var choices = ["hour", "days", "timezone"].map(function (name) { return document.getElementById(name); });
  var asked = "";

  function choice() {
    var fields = new URLSearchParams();
    choices.forEach(function (select) { fields.append(select.name, select.value); });
    return fields.toString();
  }

  function refresh() {
    var wanted = choice();
    if (!pace.open || wanted === asked) return;
    asked = wanted;
    fetch(place.dataset.from + "?" + wanted).then(function (answer) {
      if (!answer.ok) throw new Error(answer.status);
      return answer.text();
    }).then(function (piece) {
      if (wanted === asked) place.innerHTML = piece;  // else a later choice is on its way
    }).catch(function () {
      if (wanted === asked) asked = "";
      button.hidden = false;
    });
  }

  if (choices.indexOf(null) >= 0) return;
  button.hidden = true;
  choices.forEach(function (select) { select.addEventListener("change", refresh); });
  pace.addEventListener("toggle", refresh);
  window.addEventListener("pageshow", refresh);
})();
