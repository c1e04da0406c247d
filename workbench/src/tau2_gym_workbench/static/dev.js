// Author mode: reload the page when a file of the pack changes.
"use strict";
(() => {
  const source = new EventSource(document.querySelector("[data-changes]").dataset.changes);
  source.addEventListener("message", () => {
    source.close();
    location.reload();
  });
})();
