// Shows the next dates of a pace while it is being chosen, before it is saved.
// Without it a button shows them.
(function () {
  "use strict";
  var place = document.getElementById("dates");
  var button = document.getElementById("show-dates");
  if (!place || !window.fetch || !window.URLSearchParams || !window.FormData) return;
  var form = place.closest("form");
  var asked = 0;

  function show() {
    var mine = ++asked;
    var pace = new URLSearchParams();
    new FormData(form).forEach(function (value, name) {
      // A name has no place in an address.
      if (name === "hour" || name === "days" || name === "timezone") pace.append(name, value);
    });
    fetch(place.dataset.from + "?" + pace.toString(), { credentials: "same-origin" })
      .then(function (answer) { return answer.ok ? answer.text() : Promise.reject(); })
      .then(function (piece) { if (mine === asked) place.innerHTML = piece; })
      .catch(function () { if (button) button.hidden = false; });
  }

  form.addEventListener("change", function (event) {
    if (/^(hour|days|timezone)$/.test(event.target.name)) show();
  });
  if (button) button.hidden = true;
})();
