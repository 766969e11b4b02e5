// What every page needs: elements made from text that stays text, questions to our API, notices, links that are links.

/** An element with attributes, listeners (`onclick`) and children. Strings become text nodes, never HTML. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Text with `code` in backquotes. */
export function code(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** Milliseconds that the sandbox's clock is ahead of the browser's; small differences are the network's. */
let ahead = 0;

export function now() {
  return Date.now() + ahead;
}

export function clockDiffers() {
  return ahead;
}

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** JSON from our API. Throws ApiError with a sentence for people. */
export async function ask(path, options = {}) {
  const answer = await fetch(path, options)
    .catch((error) => again(error, path, options))
    .catch((error) => {
      throw error.name === "AbortError" ? error : new ApiError("The console does not answer: is the sandbox running?", 0);
    });
  const date = Date.parse(answer.headers.get("Date") || "");
  if (date) ahead = Math.abs(date - Date.now()) > 5000 ? date - Date.now() : 0;
  const data = await answer.json().catch(() => null);
  if (!answer.ok || data === null) {
    const reason = data && (data.error || data.message);
    throw new ApiError(typeof reason === "string" ? reason : `status ${answer.status}`, answer.status);
  }
  return data;
}

/** Browsers give up requests in flight when a network appears, as it does with each container that starts. */
async function again(error, path, options) {
  if (error.name === "AbortError") throw error;
  await new Promise((resolve) => setTimeout(resolve, 300));
  return fetch(path, options);
}

export function notice(text) {
  const box = document.getElementById("notice");
  box.textContent = text;
  box.classList.add("shown");
  clearTimeout(box.timer);
  box.timer = setTimeout(() => box.classList.remove("shown"), 4000);
}

/** A link only if it is one: `javascript:` and the like lead nowhere. */
export function href(address) {
  try {
    const url = new URL(address, location.href);
    return ["http:", "https:"].includes(url.protocol) ? url.href : "#";
  } catch {
    return "#";
  }
}

/** Addresses on `localhost` as the visitor can reach them. */
export function reachable(address) {
  const url = new URL(address);
  url.hostname = location.hostname;
  return url.href;
}

/** Calls `work` now and then each `seconds`, but not while the page is hidden. Returns a way to call it at once. */
export function repeat(work, seconds) {
  const call = () => document.hidden || work();
  setInterval(call, seconds * 1000);
  document.addEventListener("visibilitychange", call);
  call();
}

/** A table of rows (objects); numbers to the right; a click on a heading sorts. */
export function table(columns, rows, cell = (row, column) => String(row[column] ?? "")) {
  const body = h("tbody");
  const numeric = (column) => rows.length > 0 && rows.every((row) => row[column] === null || typeof row[column] === "number");
  let order = { column: null, down: false };
  const draw = () => {
    const sorted = [...rows];
    if (order.column !== null) {
      sorted.sort((a, b) => compare(a[order.column], b[order.column]) * (order.down ? -1 : 1));
    }
    body.replaceChildren(
      ...sorted.map((row) =>
        h("tr", {}, columns.map((column) => {
          const content = cell(row, column);
          return h("td", { class: numeric(column) ? "number" : null }, content);
        })),
      ),
    );
  };
  const heads = columns.map((column) =>
    h("th", { scope: "col", class: numeric(column) ? "number" : null },
      h("button", { type: "button", onclick: () => {
        order = { column, down: order.column === column && !order.down };
        for (const head of heads) head.removeAttribute("aria-sort");
        heads[columns.indexOf(column)].setAttribute("aria-sort", order.down ? "descending" : "ascending");
        draw();
      } }, column)));
  draw();
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    h("table", {}, h("thead", {}, h("tr", {}, heads)), body));
}

function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
}
