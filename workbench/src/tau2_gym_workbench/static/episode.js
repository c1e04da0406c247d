// An episode: open all calls at once, step through what calls changed, copy commands. The page is readable without this script.
"use strict";
(() => {
  const fold = document.querySelector("[data-fold]");
  const calls = document.querySelectorAll("details.call");
  if (calls.length) {
    fold.hidden = false;
    fold.addEventListener("click", () => {
      const open = ![...calls].every((call) => call.open);
      for (const call of calls) call.open = open;
      fold.textContent = open ? "close all calls" : "open all calls";
    });
  }

  const slider = document.querySelector("[data-slider]");
  const steps = [...document.querySelectorAll("[data-step]")];
  if (slider && steps.length > 1) {
    const range = slider.querySelector("input");
    const show = (number) => {
      range.value = number;
      steps.forEach((step, at) => { step.hidden = at !== Number(range.value); });
      range.setAttribute("aria-valuetext", `call ${Number(range.value) + 1} of ${steps.length}`);
    };
    slider.hidden = false;
    range.addEventListener("input", () => show(range.value));
    slider.querySelector("[data-back]").addEventListener("click", () => show(Number(range.value) - 1));
    slider.querySelector("[data-on]").addEventListener("click", () => show(Number(range.value) + 1));
    show(0);
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
})();
