// The lesson that is under way: its text, what is done, and the hints that were asked for.

import { ask, code, h, repeat } from "./base.js";
import { markdown } from "./markdown.js";

const content = document.getElementById("content");
let shown = "";

repeat(async () => {
  try {
    const { lesson } = await ask("/api/lesson");
    if (JSON.stringify({ lesson }) === shown) return;
    shown = JSON.stringify({ lesson });
    content.replaceChildren(...(lesson ? draw(lesson) : nothing()));
  } catch (error) {
    shown = "";
    content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message));
  }
}, 2);

function nothing() {
  return [h("p", {}, code("No lesson is under way. `sandbox lab list` shows them, `sandbox lab start LESSON` starts one."))];
}

function draw(lesson) {
  const done = lesson.steps.filter((step) => step.done).length;
  return [
    h("section", { class: "card" }, h("h2", {}, lesson.title), markdown(lesson.intro),
      h("p", {}, h("progress", { value: done, max: lesson.steps.length, "aria-label": "Steps done" }), ` ${done} of ${lesson.steps.length} steps done`)),
    ...lesson.steps.map((step, index) => section(step, index, lesson.current)),
  ];
}

function section(step, index, current) {
  const state = step.done ? "done" : step.name === current ? "now" : "later";
  return h("section", { class: "card", "data-step": step.name, "data-state": state },
    h("h2", {}, `${index + 1}. ${step.title} `, h("span", { class: step.done ? "tag good" : "tag" }, state)),
    markdown(step.text),
    step.hints.map((hint) => h("p", { class: "small" }, h("strong", {}, "Hint: "), code(hint))),
    state === "now" ? h("p", { class: "small dim" }, code("Then `sandbox lab check`; `sandbox lab hint` helps, and this page shows both.")) : null);
}
