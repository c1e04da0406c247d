// Keys: j and k move between rows or messages, J and K between episodes, f to the next failure, ? shows the list.
"use strict";
(() => {
  const dialog = document.getElementById("keys");
  const opener = document.querySelector("[data-keys]");
  opener.hidden = false;
  opener.addEventListener("click", () => dialog.showModal());

  const follow = (selector) => document.querySelector(selector)?.click();
  const walk = (by) => {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.classList.contains("at"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by))];
    rows[at]?.classList.remove("at");
    next.classList.add("at");
    (next.querySelector("[data-open]") ?? next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  const actions = {
    j: () => walk(1),
    k: () => walk(-1),
    J: () => follow("[data-next]"),
    K: () => follow("[data-previous]"),
    f: () => follow("[data-failure]"),
    o: () => follow("[data-fold]"),
    u: () => follow("[data-up]"),
    "/": () => document.querySelector("[data-search]")?.focus(),
    "?": () => dialog.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]):not([type=range]), textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey || typing || dialog.open) return;
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
})();
