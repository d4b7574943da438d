// Says once that this page is open in front of a person. Without it everything works the same.
(function () {
  "use strict";
  var address = document.currentScript.dataset.here;
  if (!address || !window.fetch) return;
  fetch(address, { method: "POST", keepalive: true }).catch(function () {});
})();
