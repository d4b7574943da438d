// Fills in the visitor's own time zone, and keeps the closed line in step with what is chosen.
// Without it the course's zone stays, and everything can be changed all the same.
(function () {
  "use strict";
  function city(zone) {
    return zone.split("/").pop().replace(/_/g, " ");
  }

  // "Kolkata time", in the words of the page. The list has the cities in its language; where it
  // is only the zone's own name, the last piece of that is the city.
  function said(option) {
    var zone = option.value;
    if (zone.indexOf("/") < 0) return zone;
    var shown = document.getElementById("timezone-shown");
    var say = (shown && shown.dataset.say) || "{city}";
    var name = zone.split("/").slice(1).join(", ").replace(/_/g, " ");
    return say.replace("{city}", option.text === name ? city(zone) : option.text);
  }

  function find(select, wanted) {
    for (var i = 0; i < select.options.length; i++) {
      if (wanted(select.options[i].value)) return select.options[i].value;
    }
    return "";
  }

  // A browser may still use an old name (Asia/Calcutta) for a place that we call by its new one.
  function ours(select, zone) {
    return find(select, function (name) { return name === zone; }) ||
      find(select, function (name) {
        try {
          return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone === zone;
        } catch (unknown) {
          return false;
        }
      });
  }

  function fillIn(select) {
    if (select.dataset.touched === "yes" || !window.Intl) return;
    var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zone) return;
    var known = ours(select, zone);
    if (!known) select.add(new Option(city(zone), zone), 0);  // the server understands it
    select.value = known || zone;
  }

  function follow(name, say) {
    var select = document.getElementById(name);
    var shown = document.getElementById(name + "-shown");
    if (!select || !shown) return;
    function tell() {
      if (select.selectedIndex >= 0) shown.textContent = say(select.options[select.selectedIndex]);
    }
    select.addEventListener("change", tell);
    window.addEventListener("pageshow", tell);  // a browser may put back what was chosen before
    tell();
  }

  function text(option) { return option.text; }
  var zones = document.getElementById("timezone");
  if (zones) fillIn(zones);
  follow("hour", text);
  follow("days", text);
  follow("timezone", said);
})();
