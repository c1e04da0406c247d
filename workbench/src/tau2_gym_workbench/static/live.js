// A run in progress: update figures, reasons and cells as the server sends them.
"use strict";
(() => {
  const place = document.getElementById("live");
  const source = new EventSource(place.dataset.events);
  source.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    place.innerHTML = told.progress; // our own template, in which everything else is escaped
    document.getElementById("groups").innerHTML = told.groups;
    for (const cell of told.cells) {
      const old = document.getElementById(cell.id);
      if (!old) continue;
      const link = document.createElement("a");
      link.id = cell.id;
      link.className = `cell ${cell.kind}`;
      link.href = cell.href;
      link.title = cell.title;
      link.setAttribute("aria-label", cell.label);
      link.textContent = cell.sign;
      old.replaceWith(link);
    }
  });
  const end = () => {
    source.close();
    location.reload();
  };
  source.addEventListener("ended", end);
  source.addEventListener("gone", end);
})();
