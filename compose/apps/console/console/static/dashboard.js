// A dashboard: the same JSON that Grafana shows, with its variables, time range and refresh.

import { ApiError, ask, clockDiffers, h, href, now, reachable, table } from "./base.js";
import { duration, instant } from "./format.js";
import { interpolate, run } from "./query.js";
import { display, fieldOf, reduce } from "./field.js";
import { RENDER, TRANSFORMATIONS, WITHOUT_DATA, empty } from "./panels.js";

const RANGES = [["now-5m", "5 minutes"], ["now-15m", "15 minutes"], ["now-30m", "30 minutes"], ["now-1h", "1 hour"], ["now-3h", "3 hours"], ["now-6h", "6 hours"], ["now-24h", "24 hours"], ["now-7d", "7 days"]];
const REFRESHES = ["", "2s", "5s", "10s", "30s", "1m", "5m"];
const content = document.getElementById("content");
const parameters = new URLSearchParams(location.search);
const ends = new Map(); // panel's element -> how to end what it draws

let dashboard;
let sources = [];
let values = {};
let timer = 0;
let round = null; // aborts the questions of the round before

try {
  const [found, known] = await Promise.all([ask(`/api/dashboards/${encodeURIComponent(document.body.dataset.uid)}`), ask("/api/sources")]);
  dashboard = found;
  sources = known.sources;
  build();
  await loadVariables();
  refresh();
} catch (error) {
  content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message));
}

// --- the page around the panels ---------------------------------------------------------------

function build() {
  const title = document.querySelector("main > h1");
  const options = RANGES.map(([from, name]) => h("option", { value: from, selected: from === state("from") }, `Last ${name}`));
  if (!RANGES.some(([from]) => from === state("from")) || state("to") !== "now") {
    options.push(h("option", { value: "", selected: true }, "Chosen range"));
  }
  const bar = h("div", { class: "bar" },
    title,
    h("span", { class: "note", id: "light", title: "Drawn by the console from the file that Grafana shows" }, "light view"),
    h("span", { id: "variables", class: "bar" }),
    h("label", {}, "Time", h("select", { id: "range", onchange: (event) => set({ from: event.target.value, to: "now" }) }, options)),
    h("label", {}, "Refresh", h("select", { id: "refresh", onchange: (event) => { set({ refresh: event.target.value }); } },
      REFRESHES.map((every) => h("option", { value: every, selected: every === state("refresh") }, every || "off")))),
    h("button", { type: "button", onclick: refresh, title: "Ask again", "aria-label": "Ask again now" }, "⟳"),
    h("button", { type: "button", onclick: () => zoomOut(), title: "Twice the time", "aria-label": "Show twice the time" }, "−"));
  content.before(bar);
  const grid = h("div", { class: "grid" });
  content.replaceChildren(
    dashboard.description ? h("p", { class: "dim small" }, dashboard.description) : "",
    h("p", { id: "problem", class: "bad", role: "alert" }), grid, links());
  draw(grid);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  document.addEventListener("theme", refresh);
  offerGrafana();
}

async function offerGrafana() {
  const { services } = await ask("/api/services");
  const place = services.find((item) => item.name === "grafana")?.endpoints.find((endpoint) => endpoint.url);
  if (place) document.getElementById("light").after(h("a", { class: "small", href: href(new URL(`/d/${dashboard.uid}`, reachable(place.url)).href) }, "open in Grafana"));
}

function links() {
  const found = h("nav", { class: "bar", "aria-label": "Links of this dashboard" });
  for (const link of dashboard.links || []) {
    if (link.type === "link") found.append(h("a", { href: href(interpolate(link.url, values)), title: link.tooltip || null }, link.title));
    else {
      ask("/api/dashboards").then(({ dashboards }) => {
        const tagged = dashboards.filter((item) => item.uid !== dashboard.uid && (link.tags || []).every((tag) => item.tags.includes(tag)));
        const kept = link.keepTime && parameters.has("from") ? `?from=${state("from")}&to=${state("to")}` : "";
        found.append(...tagged.map((item) => h("a", { class: "small", href: `/d/${encodeURIComponent(item.uid)}${kept}` }, item.title)));
      });
    }
  }
  return found;
}

/** What the address says, else the dashboard. */
function state(name) {
  if (parameters.has(name)) return parameters.get(name);
  return { from: dashboard.time?.from || "now-1h", to: dashboard.time?.to || "now", refresh: dashboard.refresh || "" }[name] ?? "";
}

/** Remembers a choice in the address, so that a link shows the same, and asks anew. */
function set(choices) {
  for (const [name, value] of Object.entries(choices)) {
    parameters.delete(name);
    for (const one of [].concat(value)) parameters.append(name, one);
  }
  history.replaceState(null, "", `?${parameters}`);
  const range = document.getElementById("range");
  if (RANGES.some(([from]) => from === state("from")) && state("to") === "now") range.value = state("from");
  else {
    if (!range.querySelector("option[value='']")) range.append(h("option", { value: "" }, "Chosen range"));
    range.value = "";
  }
  refresh();
}

function times() {
  const at = now();
  const from = instant(state("from"), at);
  const to = instant(state("to"), at);
  return from < to ? { from, to } : { from: at - 900000, to: at };
}

function zoomOut() {
  const { from, to } = times();
  const half = (to - from) / 2;
  if (state("to") === "now") set({ from: `now-${Math.round((2 * (to - from)) / 1000)}s`, to: "now" });
  else set({ from: String(Math.round(from - half)), to: String(Math.round(to + half)) });
}

// --- variables --------------------------------------------------------------------------------

async function loadVariables() {
  const place = document.getElementById("variables");
  for (const variable of dashboard.templating?.list || []) {
    let choices = [];
    try {
      choices = await optionsOf(variable);
    } catch (error) {
      document.getElementById("problem").textContent = `The values of ${variable.label || variable.name} cannot be had: ${error.message}`;
    }
    if (variable.includeAll) choices = ["$__all", ...choices];
    const chosen = parameters.getAll(`var-${variable.name}`);
    const given = [].concat(variable.current?.value ?? []).filter((value) => value !== "");
    let selected = chosen.length ? chosen : given.length ? given : choices.slice(0, 1);
    if (!["textbox", "constant", "custom"].includes(variable.type) && !chosen.length) {
      selected = selected.filter((value) => choices.includes(value));
      if (!selected.length) selected = choices.slice(0, 1);
    }
    values[variable.name] = meaning(variable, selected, choices);
    if (variable.hide !== 2 && variable.type !== "constant") place.append(control(variable, choices, selected));
  }
}

/** The value that queries get: a text, or a list when several may be chosen. */
function meaning(variable, selected, choices) {
  if (selected.includes("$__all")) {
    if (variable.allValue) return [variable.allValue];
    const all = choices.filter((choice) => choice !== "$__all");
    return all.length ? all : [".*"];
  }
  return variable.multi || variable.includeAll ? selected : selected[0] ?? "";
}

function control(variable, choices, selected) {
  const name = variable.label || variable.name;
  if (variable.type === "textbox") {
    return h("label", {}, name, h("input", { value: selected[0] || "", onchange: (event) => choose(variable, [event.target.value], choices) }));
  }
  if (variable.multi) return severalOf(variable, name, choices, selected);
  const select = h("select", { onchange: () => choose(variable, [select.value], choices) },
    choices.map((choice) => h("option", { value: choice, selected: selected.includes(choice) }, said(choice))));
  return h("label", {}, name, select);
}

/** Boxes to tick, folded away; "All" excludes the others, and comes back when none is left. */
function severalOf(variable, name, choices, selected) {
  const summary = h("summary");
  const boxes = choices.map((choice) => h("input", { type: "checkbox", value: choice, checked: selected.includes(choice), onchange: ({ target }) => {
    for (const box of boxes) {
      if (target.checked && (target.value === "$__all") !== (box.value === "$__all")) box.checked = false;
    }
    if (!boxes.some((box) => box.checked)) boxes[0].checked = true;
    tell();
    choose(variable, ticked(), choices);
  } }));
  const ticked = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const tell = () => { summary.textContent = `${name}: ${ticked().map(said).join(", ") || "none"}`; };
  tell();
  return h("details", { class: "several" }, summary, h("div", { class: "card" }, boxes.map((box) => h("label", {}, box, said(box.value)))));
}

function said(choice) {
  return choice === "$__all" ? "All" : choice;
}

function choose(variable, selected, choices) {
  values[variable.name] = meaning(variable, selected, choices);
  set({ [`var-${variable.name}`]: selected });
}

async function optionsOf(variable) {
  if (variable.type === "custom" || variable.type === "interval") return variable.query.split(",").map((text) => text.trim().split(/\s+:\s+/).at(-1));
  if (variable.type === "constant" || variable.type === "textbox") return [variable.query];
  if (variable.type === "datasource") return sources.filter((source) => source.type === variable.query).map((source) => source.uid);
  if (variable.type !== "query") throw new Error(`variables of type ${variable.type} are Grafana's`);
  const source = sourceOf(variable);
  const query = interpolate(typeof variable.query === "string" ? variable.query : variable.query?.query || variable.definition, values);
  const match = /^label_values\((?:(.+),)?\s*([\w:]+)\s*\)$/s.exec(query.trim());
  if (!match) throw new Error(`${query} is not understood here`);
  const { from, to } = times();
  const about = new URLSearchParams({ start: from / 1000, end: to / 1000 });
  if (match[1]) about.append("match[]", match[1].trim());
  const { data } = await ask(`/api/sources/${source.uid}/api/v1/label/${match[2]}/values?${about}`);
  const pattern = variable.regex ? new RegExp(variable.regex.replace(/^\/|\/$/g, "")) : null;
  const found = pattern ? data.flatMap((value) => { const hit = pattern.exec(value); return hit ? [hit[1] ?? value] : []; }) : data;
  return [...new Set(found)].sort();
}

function sourceOf(thing) {
  const wanted = interpolate(thing.datasource?.uid || "", values);
  const source = wanted ? sources.find((item) => item.uid === wanted) : sources.find((item) => item.type === "prometheus");
  if (!source) throw new Error(`This sandbox has no data source ${wanted || "for this"}.`);
  return source;
}

// --- panels -----------------------------------------------------------------------------------

function draw(grid) {
  let folded = false;
  let row = null;
  const elements = [];
  let shift = 0;
  for (const panel of dashboard.panels || []) {
    if (panel.type === "row") {
      folded = Boolean(panel.collapsed);
      row = rowElement(panel);
      elements.push(row);
      for (const inner of panel.panels || []) {
        const element = panelElement(inner);
        element.hidden = folded;
        row.own.push(element);
        elements.push(element);
      }
      place(row, panel.gridPos, shift);
      if (folded) {
        for (const element of row.own) place(element, element.panel.gridPos, shift);
      }
      continue;
    }
    const element = panelElement(panel);
    if (row && !folded) row.own.push(element);
    place(element, panel.gridPos, shift);
    elements.push(element);
  }
  grid.append(...elements);
}

function place(element, { x = 0, y = 0, w = 24, h: height = 8 } = {}) {
  element.style.gridColumn = `${x + 1} / span ${w}`;
  // Folded rows hold panels that lie below others once unfolded: those rows find their own place.
  element.style.gridRow = (dashboard.panels || []).some((panel) => panel.type === "row" && panel.collapsed) ? `span ${height}` : `${y + 1} / span ${height}`;
}

function rowElement(panel) {
  const button = h("button", { type: "button", "aria-expanded": String(!panel.collapsed), onclick: () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    for (const element of row.own) element.hidden = !open;
    if (open) refresh();
  } }, panel.title || "Row");
  const row = h("div", { class: "row-panel" }, h("h2", {}, button));
  row.own = [];
  return row;
}

function panelElement(panel) {
  const body = h("div", { class: "body" });
  const title = interpolate(panel.title || "", values);
  const element = h("section", { class: `panel ${["timeseries", "table", "state-timeline", "logs"].includes(panel.type) ? "tall" : ""}`, "data-type": panel.type, "aria-label": title || "Text" },
    title || panel.type !== "text" ? h("header", {},
      h("h2", { title: panel.description || null }, title),
      (panel.links || []).map((link) => h("a", { class: "small", href: href(interpolate(link.url, values)) }, link.title || "link")),
      h("button", { type: "button", "aria-label": `About ${title}`, title: "What it means, and its numbers", onclick: () => inspect(element) }, "i")) : null,
    body);
  element.panel = panel;
  element.body = body;
  element.frames = [];
  return element;
}

/** What the panel means, what it asked, and the numbers behind it: also for those who cannot see the chart. */
function inspect(element) {
  const { panel, frames } = element;
  const series = frames.filter((frame) => frame.values);
  const rows = series.map((item, index) => {
    const field = fieldOf(panel, item.name, item.ref, index);
    const told = (calc) => display(field, reduce(item.values, calc));
    return { Series: field.title, Last: told("lastNotNull"), Least: told("min"), Mean: told("mean"), Most: told("max") };
  });
  const dialog = h("dialog", { "aria-label": panel.title || "Panel", onclose: () => dialog.remove() },
    h("h2", {}, panel.title), h("p", {}, panel.description || ""),
    (panel.targets || []).map((target) => h("pre", { tabindex: "0" }, frames.find((frame) => frame.ref === target.refId)?.query || target.expr || target.query || "")),
    rows.length ? table(Object.keys(rows[0]), rows) : null,
    h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}

// --- asking -----------------------------------------------------------------------------------

async function refresh() {
  clearTimeout(timer);
  round?.abort();
  const mine = (round = new AbortController());
  const range = times();
  const annotations = await annotate(range, mine.signal).catch(() => []);
  if (mine.signal.aborted) return;
  const elements = [...document.querySelectorAll(".panel")].filter((element) => !element.hidden);
  await Promise.all(elements.map((element) => show(element, range, annotations, mine.signal)));
  if (mine.signal.aborted) return;
  document.getElementById("problem").textContent = clockDiffers() ? `This browser's clock and the sandbox's differ by ${Math.round(Math.abs(clockDiffers()) / 1000)} s; times follow the sandbox's.` : "";
  document.body.dataset.shown = String(Date.now());
  const every = duration(state("refresh"));
  if (every && !document.hidden) timer = setTimeout(refresh, every);
}

async function show(element, range, annotations, signal) {
  const { panel, body } = element;
  const view = { ...range, annotations, values, sync: dashboard.graphTooltip ? dashboard.uid : null, zoom: (from, to) => set({ from: String(Math.round(from)), to: String(Math.round(to)) }) };
  const drawPanel = RENDER[panel.type];
  const end = () => { ends.get(element)?.(); ends.delete(element); };
  const say = (text, kind = "") => { end(); body.classList.remove("chart"); body.replaceChildren(h("p", { class: `message ${kind}` }, text)); };
  if (!drawPanel) return say(`Panels of the type ${panel.type} are not drawn here; Grafana shows them.`);
  const strange = (panel.transformations || []).find(({ id, disabled }) => !disabled && !TRANSFORMATIONS.has(id));
  if (strange) return say(`The transformation ${strange.id} is not done here; Grafana shows this panel.`);
  try {
    let frames = [];
    if (!WITHOUT_DATA.has(panel.type)) {
      const points = Math.max(100, Math.round(body.clientWidth / 2) || 300);
      const context = { ...range, points, values, signal, interval: panel.interval };
      const asked = (panel.targets || []).filter((target) => !target.hide);
      frames = (await Promise.all(asked.map((target) => run(target, { ...context, source: sourceOf(target.datasource ? target : panel) })))).flat();
    }
    if (signal.aborted) return;
    element.frames = frames;
    const charts = ["timeseries", "state-timeline"].includes(panel.type);
    end();
    body.classList.toggle("chart", charts);
    if (!frames.length && !WITHOUT_DATA.has(panel.type)) return empty(body, panel);
    const stop = drawPanel(body, panel, frames, view);
    if (typeof stop === "function") ends.set(element, stop);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    const hint = error instanceof ApiError && error.status === 401 ? "Sign in to see this panel." : error.message;
    say(hint, "bad");
  }
}

/** Stretches of time that the dashboard marks: {from, to (seconds), title, text, color}. */
async function annotate(range, signal) {
  const wanted = (dashboard.annotations?.list || []).filter((item) => item.enable !== false && item.expr);
  const found = await Promise.all(wanted.map(async (item) => {
    const target = { refId: "annotation", expr: item.expr, interval: item.step, legendFormat: "" };
    const series = await run(target, { ...range, source: sourceOf(item), points: 300, values, signal });
    const told = (text, labels) => (text || "").replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name) => labels[name] ?? "");
    return series.flatMap((one) => spans(one).map((span) => ({ ...span, color: item.iconColor, title: told(item.titleFormat, one.labels) || item.name, text: told(item.textFormat, one.labels) })));
  }));
  return found.flat();
}

function spans(series) {
  const list = [];
  for (const [index, time] of series.times.entries()) {
    if (!series.values[index]) continue;
    const last = list.at(-1);
    if (last && time - last.to <= series.step * 1.5) last.to = time;
    else list.push({ from: time, to: time });
  }
  return list;
}
