// What is in the AWS emulator: read only.

import { ask, h, repeat, table } from "./base.js";
import { format, moment } from "./format.js";

const content = document.getElementById("content");

try {
  const { emulator, kinds } = await ask("/api/aws");
  if (!emulator) {
    content.replaceChildren(h("p", {}, "This sandbox has no AWS emulator. The profiles lite, aws and full have one."));
  } else {
    const places = kinds.map((kind) => [kind, h("div", {}, h("p", { class: "loading" }, "Loading …"))]);
    content.replaceChildren(
      h("p", { class: "dim" }, `What ${emulator} holds in us-east-1, account of the access key `, h("code", {}, "test"), ". Lists only; values are not read."),
      h("div", { class: "stack" }, places.map(([kind, place]) => h("section", { class: "card" }, h("h2", {}, kind), place))));
    repeat(() => places.forEach(([kind, place]) => show(kind, place)), 10);
  }
} catch (error) {
  content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message));
}

async function show(kind, place) {
  try {
    const { rows } = await ask(`/api/aws/${kind}`);
    place.replaceChildren(rows.length
      ? table(Object.keys(rows[0]), rows, (row, column) =>
          column === "Bytes" ? format(row[column], "bytes") : column === "Made" ? moment(Date.parse(row[column]) / 1000) : String(row[column] ?? ""))
      : h("p", { class: "dim" }, "None."));
  } catch (error) {
    place.replaceChildren(h("p", { class: "bad" }, `This list cannot be had: ${error.message}`));
  }
}
