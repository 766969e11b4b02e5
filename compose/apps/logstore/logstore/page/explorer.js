// The log explorer: the address holds what is asked, the server is asked as by any Elasticsearch client.
"use strict";

const FIELDS = ["service.name", "log.level", "container.name", "http.response.status_code", "error.type", "tags"];
const LINES = 100;
const BARS = 60;
const LIVE_SECONDS = 2;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800, 2592000];
const at = (id) => document.getElementById(id);

// query: text; range: "15m", "all" or "chosen" with from and to (milliseconds); filters: [field, value, wanted];
// order: "desc" newest first, "asc" for a trace.
let state = { query: "", range: "15m", from: 0, to: 0, filters: [], order: "desc" };
let live = null;
let latest = 0; // number of the newest request: answers to older ones are not shown

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  let filters = [];
  try { filters = JSON.parse(given.get("filters") || "[]"); } catch { /* a mangled address has no filters */ }
  state = {
    query: given.get("query") || "", range: given.get("range") || "15m", order: given.get("order") === "asc" ? "asc" : "desc",
    from: Number(given.get("from")), to: Number(given.get("to")), filters: Array.isArray(filters) ? filters : [],
  };
}

function go(changes) {
  const next = { ...state, ...changes };
  const hash = new URLSearchParams();
  for (const [name, value] of Object.entries(next)) {
    if (name === "filters" ? value.length : value) hash.set(name, name === "filters" ? JSON.stringify(value) : value);
  }
  if (location.hash.slice(1) === hash.toString()) refresh(); else location.hash = hash;
}

function limits() {
  if (state.range === "chosen") return { gte: state.from, lt: state.to };
  return state.range === "all" ? null : { gte: `now-${state.range}` };
}

function query() {
  const must = state.query.trim() ? [{ query_string: { query: state.query, default_operator: "and" } }] : [];
  const clause = ([field, value]) => ({ term: { [field]: value } });
  const filter = state.filters.filter((one) => one[2]).map(clause);
  const range = limits();
  if (range) filter.push({ range: { "@timestamp": range } });
  return { bool: { must, filter, must_not: state.filters.filter((one) => !one[2]).map(clause) } };
}

async function ask(body) {
  const answer = await fetch("/logs-*/_search", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error.reason);
  return data;
}

async function refresh() {
  const mine = ++latest;
  try {
    const aggs = { oldest: { min: { field: "@timestamp" } }, newest: { max: { field: "@timestamp" } } };
    for (const field of FIELDS) aggs[field] = { terms: { field, size: 8 } };
    const sort = [{ "@timestamp": state.order }, { _doc: state.order }];
    const found = await ask({ query: query(), size: LINES, sort, aggs, track_total_hits: true });
    const bars = await histogram(found.aggregations);
    if (mine !== latest) return;
    problem("");
    showSummary(found);
    showFields(found.aggregations);
    showHistogram(bars);
    showLines(found.hits.hits, false);
  } catch (error) {
    if (mine === latest) problem(error.message);
  }
}

function problem(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

async function histogram(aggregations) {
  const now = Date.now();
  const spans = { m: 60000, h: 3600000, d: 86400000 };
  const relative = /^(\d+)([mhd])$/.exec(state.range);
  const from = relative ? now - relative[1] * spans[relative[2]] : state.range === "chosen" ? state.from : aggregations.oldest.value;
  const to = relative ? now : state.range === "chosen" ? state.to : aggregations.newest.value;
  if (from === null || !(to >= from)) return { buckets: [], step: 1000, from: now, to: now };
  const seconds = STEPS.find((step) => (to - from) / 1000 / step <= BARS) || STEPS[STEPS.length - 1] * 12;
  const bad = { filter: { terms: { "log.level": ["error", "critical"] } } };
  const interval = { field: "@timestamp", fixed_interval: `${seconds}s`, min_doc_count: 1 };
  const found = await ask({ size: 0, query: query(), aggs: { time: { date_histogram: interval, aggs: { bad } } } });
  return { buckets: found.aggregations.time.buckets, step: seconds * 1000, from, to };
}

function showSummary(found) {
  const total = found.hits.total.value;
  at("summary").textContent = `${total.toLocaleString("en")} ${total === 1 ? "line" : "lines"} · ${found.took} ms`;
  document.title = `${total.toLocaleString("en")} · Logs`;
}

function showHistogram({ buckets, step, from, to }) {
  const svg = at("histogram");
  const first = Math.floor(from / step) * step;
  const count = Math.max(1, Math.floor((to - first) / step) + 1);
  const most = Math.max(1, ...buckets.map((bucket) => bucket.doc_count));
  svg.setAttribute("viewBox", `0 0 ${count * 10} 100`);
  svg.replaceChildren();
  const bar = (kind, place, amount) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = amount ? Math.max(2, 96 * amount / most) : 0;
    for (const [name, value] of Object.entries({ class: kind, x: place * 10 + 1, y: 100 - height, width: 8, height })) {
      rect.setAttribute(name, value);
    }
    return rect;
  };
  for (const bucket of buckets) {
    const place = Math.round((bucket.key - first) / step);
    const hit = bar("hit", place, most);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${moment(bucket.key)}: ${bucket.doc_count} lines, ${bucket.bad.doc_count} errors`;
    hit.append(title);
    hit.addEventListener("click", () => go({ range: "chosen", from: bucket.key, to: bucket.key + step }));
    svg.append(bar("all", place, bucket.doc_count), bar("bad", place, bucket.bad.doc_count), hit);
  }
  at("first").textContent = buckets.length || state.range !== "all" ? moment(first) : "";
  at("last").textContent = buckets.length || state.range !== "all" ? moment(to) : "";
}

function showFields(aggregations) {
  at("fields").replaceChildren();
  for (const field of FIELDS) {
    const buckets = aggregations[field].buckets;
    if (!buckets.length) continue;
    const list = element("ul");
    for (const bucket of buckets) {
      const button = element("button", { type: "button", title: `only ${field}: ${bucket.key}` });
      button.append(element("span", { class: "value" }, bucket.key), element("span", { class: "count" }, bucket.doc_count.toLocaleString("en")));
      button.addEventListener("click", () => filterBy(field, bucket.key, true));
      list.append(wrapped("li", button));
    }
    at("fields").append(element("h2", {}, field), list);
  }
  at("chips").replaceChildren();
  for (const one of state.filters) {
    const chip = element("button", { type: "button", class: one[2] ? "chip" : "chip not", title: "remove" }, `${one[0]}: ${one[1]} ×`);
    chip.addEventListener("click", () => go({ filters: state.filters.filter((other) => other !== one) }));
    at("chips").append(chip);
  }
}

function filterBy(field, value, wanted) {
  const others = state.filters.filter((one) => one[0] !== field || one[1] !== value);
  go({ filters: [...others, [field, value, wanted]] });
}

function showLines(hits, add) {
  const list = at("lines");
  const open = new Set([...list.querySelectorAll("li[data-open]")].map((line) => line.dataset.id));
  if (!add) list.replaceChildren();
  for (const hit of hits) {
    const line = lineOf(hit);
    list.append(line);
    if (open.has(hit._id)) toggle(line, hit);
  }
  if (!list.children.length) list.append(element("li", {}, "No lines. Try a longer time or another query."));
  at("more").hidden = hits.length < LINES;
  at("more").textContent = state.order === "desc" ? "Older lines" : "Later lines";
  at("more").onclick = () => older(hits[hits.length - 1].sort);
}

async function older(after) {
  try {
    const sort = [{ "@timestamp": state.order }, { _doc: state.order }];
    showLines((await ask({ query: query(), size: LINES, sort, search_after: after })).hits.hits, true);
  } catch (error) {
    problem(error.message);
  }
}

function lineOf(hit) {
  const fields = flat(hit._source);
  const level = String(fields["log.level"] || "");
  const button = element("button", { type: "button", class: "line", "aria-expanded": "false" });
  const time = element("time", { datetime: fields["@timestamp"] }, "");
  const [day, clock] = moment(Date.parse(fields["@timestamp"])).split(" ");
  time.append(element("span", { class: "day" }, `${day} `), clock ?? "");
  button.append(
    time,
    element("span", { class: `level-${level.replace(/\W/g, "")}` }, level),
    element("span", { class: "service" }, fields["service.name"] || ""),
    element("span", { class: "message" }, fields.message ?? JSON.stringify(hit._source)),
  );
  const line = wrapped("li", button);
  line.dataset.id = hit._id;
  button.addEventListener("click", () => toggle(line, hit));
  return line;
}

function toggle(line, hit) {
  const open = line.querySelector(".details");
  line.firstChild.setAttribute("aria-expanded", String(!open));
  if (open) {
    open.remove();
    delete line.dataset.open;
    return;
  }
  line.dataset.open = "";
  const table = element("table", { class: "details" });
  for (const [field, value] of Object.entries({ ...flat(hit._source), _index: hit._index, _id: hit._id }).sort()) {
    const tools = element("td", { class: "tools" });
    const tool = (text, title, act) => {
      const button = element("button", { type: "button", title }, text);
      button.addEventListener("click", act);
      tools.append(button, " ");
    };
    if (!field.startsWith("_") && field !== "message" && typeof value !== "object") {
      tool("+", `only ${field}: ${value}`, () => filterBy(field, value, true));
      tool("−", `without ${field}: ${value}`, () => filterBy(field, value, false));
    }
    if (["trace.id", "transaction.id", "order.id"].includes(field)) {
      tool("follow", "every line of it, in the order of time", () => go({ query: "", filters: [[field, value, true]], range: "all", order: "asc" }));
    }
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    const row = element("tr");
    row.append(element("th", { scope: "row" }, field), element("td", {}, text), tools);
    table.append(row);
  }
  line.append(table);
}

function flat(source, prefix = "", into = {}) {
  for (const [name, value] of Object.entries(source)) {
    if (value && typeof value === "object" && !Array.isArray(value)) flat(value, `${prefix}${name}.`, into);
    else into[prefix + name] = value;
  }
  return into;
}

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function wrapped(name, inner) {
  const made = document.createElement(name);
  made.append(inner);
  return made;
}

function moment(millis) {
  const date = new Date(millis);
  if (Number.isNaN(date.getTime())) return "";
  const local = new Date(millis - date.getTimezoneOffset() * 60000);
  return local.toISOString().slice(0, 23).replace("T", " ");
}

function setLive(on) {
  clearInterval(live);
  live = on ? setInterval(refresh, LIVE_SECONDS * 1000) : null;
}

at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  go({ query: at("query").value, order: "desc" });
});
at("range").addEventListener("change", () => go({ range: at("range").value }));
at("live").addEventListener("change", () => { setLive(at("live").checked); refresh(); });
window.addEventListener("hashchange", start);

function start() {
  readAddress();
  at("query").value = state.query;
  at("range").value = state.range;
  refresh();
}

start();
