// Labelling: the key of an answer clicks it in the first question that has none; s goes on to the next question.
"use strict";
(() => {
  const questions = [...document.querySelectorAll("[data-question]")];
  const open = questions.filter((each) => each.dataset.question === "open");
  let at = 0;
  const show = () => questions.forEach((each) => each.classList.toggle("at", each === open[at]));
  show();
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey || typing || document.querySelector("dialog[open]")) return;
    if (event.key === "s" && at < open.length) {
      at += 1;
      show();
      return;
    }
    [...(open[at]?.querySelectorAll("[data-key]") ?? [])].find((each) => each.dataset.key === event.key)?.click();
  });
})();
