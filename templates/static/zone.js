// Fills in the visitor's own time zone. Without it the course's zone stays, and can be changed.
(function () {
  "use strict";
  var select = document.getElementById("timezone");
  if (!select || select.dataset.touched === "yes" || !window.Intl) return;
  var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  var known = Array.prototype.some.call(select.options, function (o) { return o.value === zone; });
  if (!known) {
    // A browser may still use an old name (Asia/Calcutta); the server understands it.
    select.add(new Option(zone.split("/").pop().replace(/_/g, " "), zone), 0);
  }
  select.value = zone;
  var shown = document.getElementById("zone-shown");
  if (shown) shown.textContent = zone.indexOf("/") < 0 ? zone
    : zone.split("/").pop().replace(/_/g, " ") + " time";
})();
