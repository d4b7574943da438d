// Saves ticks and notes as one goes. Without it the same forms have a button that saves.
(function () {
  "use strict";
  var WAIT_MS = 900;

  // The parts of the page that follow from what was saved, as the server has them now.
  function refresh() {
    return fetch(location.pathname, { cache: "no-store" }).then(function (answer) {
      return answer.text();
    }).then(function (text) {
      var fresh = new DOMParser().parseFromString(text, "text/html");
      document.querySelectorAll("[data-live]").forEach(function (old) {
        var part = fresh.getElementById(old.id);
        if (part && part.innerHTML !== old.innerHTML) old.innerHTML = part.innerHTML;
      });
    }).catch(function () {});
  }

  function post(form, body, leaving) {
    body.append("quietly", "yes");
    return fetch(form.action, { method: "POST", body: body, keepalive: !!leaving })
      .then(function (answer) {
        if (answer.status !== 204) throw new Error(String(answer.status));
      });
  }

  // Each tick by itself. What got no answer goes along with the next one, or with the button.
  function ticking(form, send) {
    var was = form.elements.was;
    var known = was.value.split(" ").filter(Boolean);
    var open = {};

    function without(id) { return known.filter(function (one) { return one !== id; }); }

    function of(state) {
      return Object.keys(open).filter(function (id) { return open[id] === state; });
    }

    form.addEventListener("change", function (event) {
      var box = event.target, sent;
      open[box.value] = box.checked;
      send(function () {
        var body = new FormData();
        sent = Object.assign({}, open);
        body.append("was", of(false).join(" "));
        of(true).forEach(function (id) { body.append("ticked", id); });
        return body;
      }).then(function (kept) {
        if (!kept) return;
        Object.keys(sent).forEach(function (id) {
          known = sent[id] ? without(id).concat(id) : without(id);
          if (open[id] === sent[id]) delete open[id];
        });
        was.value = known.join(" ");
        if (box.hasAttribute("data-moves") || form.closest("details")) refresh();
      });
    });

    form.addEventListener("submit", function () {
      was.value = known.concat(of(false)).filter(function (id) { return open[id] !== true; }).join(" ");
    });
  }

  function prepare(form) {
    var button = form.querySelector(".acts button");
    var said = form.querySelector(".saved");
    var busy = Promise.resolve();
    button.hidden = true;

    function good() {
      button.hidden = true;
      said.classList.remove("error");
      said.textContent = form.dataset.saved || "";
    }

    function bad() {
      button.hidden = false;
      said.classList.add("error");
      said.textContent = form.dataset.failed;
    }

    // One after the other, so that the last word is the one that stays. Says whether it was kept.
    function send(body, leaving) {
      busy = busy.then(function () { return post(form, body(), leaving); })
        .then(function () { good(); return true; }, function () { bad(); return false; });
      return busy;
    }

    if (form.matches(".steps")) {
      ticking(form, send);
      return;
    }
    var dirty = false, timer = 0;
    form.addEventListener("submit", function () { dirty = false; });

    function save(leaving) {
      clearTimeout(timer);
      if (!dirty) return;
      dirty = false;
      send(function () { return new FormData(form); }, leaving).then(function (kept) {
        if (!kept) dirty = true;
      });
    }

    form.addEventListener("input", function () {
      dirty = true;
      said.textContent = "";
      clearTimeout(timer);
      timer = setTimeout(save, WAIT_MS);
    });
    form.addEventListener("change", function () { save(); });
    document.addEventListener("visibilitychange", function () {
      if (document.visibilityState === "hidden") save(true);
    });
  }

  // A link from a mail may lead into a lesson that is folded up.
  function unfold() {
    var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    var folded = target && target.closest("details");
    if (folded && !folded.open) {
      folded.open = true;
      target.scrollIntoView();
    }
  }

  if (window.fetch && window.FormData) document.querySelectorAll("form[data-saves]").forEach(prepare);
  document.querySelectorAll("[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });
  window.addEventListener("hashchange", unfold);
  unfold();
})();
