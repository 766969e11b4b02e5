// One function per panel type: (place, panel, frames, view) -> how to end it, if there is something to end.

import { h, href, svg, table as tableOf } from "./base.js";
import { moment } from "./format.js";
import { interpolate } from "./query.js";
import { stateTimeline, timeseries } from "./chart.js";
import { display, fieldOf, reduce, valueColour } from "./field.js";
import { markdown } from "./markdown.js";

export const RENDER = { timeseries, stat, gauge, bargauge, table, logs, text, "state-timeline": stateTimeline };
/** Types that are drawn without data. */
export const WITHOUT_DATA = new Set(["text"]);

function values(panel, series) {
  const calc = panel.options?.reduceOptions?.calcs?.[0];
  return series.map((item, index) => {
    const field = fieldOf(panel, item.name, item.ref, index);
    return { item, field, value: reduce(item.values, calc) };
  });
}

function stat(place, panel, series) {
  const { colorMode = "value", graphMode = "area", textMode = "auto" } = panel.options || {};
  const list = values(panel, series);
  const named = ["name", "value_and_name"].includes(textMode) || (textMode === "auto" && list.length > 1);
  place.replaceChildren(h("div", { class: "stats" }, list.map(({ item, field, value }) => {
    const css = colorMode === "none" ? "inherit" : valueColour(field, value);
    const plain = textMode === "name" ? field.title : textMode === "none" ? "" : display(field, value);
    return h("div", { class: `stat ${colorMode.startsWith("background") ? "background" : ""}`, style: colorMode.startsWith("background") ? { background: css } : {} },
      h("span", { class: "value", style: colorMode === "value" ? { color: css } : {} }, plain),
      named && textMode !== "name" ? h("span", { class: "name" }, field.title) : null,
      graphMode === "area" ? spark(item, css) : null);
  })));
}

function spark(item, css) {
  const known = item.values.filter((value) => Number.isFinite(value));
  if (known.length < 3) return null;
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const from = item.times[0];
  const width = item.times.at(-1) - from || 1;
  const points = item.times.flatMap((time, i) => (Number.isFinite(item.values[i]) ? [`${(((time - from) / width) * 100).toFixed(1)},${(29 - ((item.values[i] - low) / span) * 27).toFixed(1)}`] : []));
  return svg("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("polygon", { points: `0,30 ${points.join(" ")} 100,30`, style: { fill: css } }));
}

function limits(field, list) {
  const found = list.map((entry) => entry.value).filter(Number.isFinite);
  const most = field.unit === "percentunit" ? 1 : field.unit === "percent" ? 100 : Math.max(1, ...found);
  return [field.min ?? Math.min(0, ...found), field.max ?? most];
}

function gauge(place, panel, series) {
  const list = values(panel, series);
  place.replaceChildren(h("div", { class: "stats" }, list.map(({ field, value }) => {
    const [low, high] = limits(field, list);
    const share = Math.min(1, Math.max(0, ((value ?? low) - low) / (high - low || 1)));
    const arc = (part) => `M 10 50 A 40 40 0 0 1 ${50 - 40 * Math.cos(Math.PI * part)} ${50 - 40 * Math.sin(Math.PI * part)}`;
    return h("div", { class: "stat gauge" },
      svg("svg", { viewBox: "0 0 100 55", role: "img", "aria-label": `${field.title}: ${display(field, value)}` },
        svg("path", { d: arc(1), fill: "none", "stroke-width": 10, style: { stroke: "var(--line)" } }),
        share > 0 ? svg("path", { d: arc(share), fill: "none", "stroke-width": 10, style: { stroke: valueColour(field, value, [low, high]) } }) : null),
      h("span", { class: "value", style: { color: valueColour(field, value, [low, high]) } }, display(field, value)),
      list.length > 1 ? h("span", { class: "name" }, field.title) : null);
  })));
}

function bargauge(place, panel, series) {
  const list = values(panel, series);
  place.replaceChildren(h("div", { class: "bars" }, list.map(({ field, value }) => {
    const [low, high] = limits(field, list);
    const share = Math.min(1, Math.max(0, ((value ?? low) - low) / (high - low || 1)));
    return h("div", {}, h("span", {}, field.title),
      h("div", { class: "track" }, h("div", { class: "fill", style: { width: `${share * 100}%`, background: valueColour(field, value, [low, high]) } })),
      h("span", { style: { color: valueColour(field, value, [low, high]) } }, display(field, value)));
  })));
}

function table(place, panel, frames, view) {
  const shaped = (panel.transformations || []).reduce(transform, frames.map(asRows));
  const columns = [...new Set(shaped.flatMap((frame) => frame.columns))];
  const rows = shaped.flatMap((frame) => frame.rows);
  const fields = new Map(columns.map((column, index) => [column, fieldOf(panel, column, "", index, rows.some((row) => typeof row[column] === "number"))]));
  const visible = columns.filter((column) => !fields.get(column).custom.hidden);
  if (!rows.length) return empty(place, panel);
  const titles = new Map(visible.map((column) => [fields.get(column).title, column]));
  const renamed = rows.map((row) => Object.fromEntries([...titles].map(([title, column]) => [title, row[column] ?? null])));
  place.replaceChildren(tableOf([...titles.keys()], renamed, (row, title) => {
    const field = fields.get(titles.get(title));
    const value = row[title];
    const said = value === null ? "" : titles.get(title) === "Time" ? moment(value / 1000) : display(field, value);
    const cell = field.custom.cellOptions?.type || "auto";
    const css = cell === "color-text" ? { color: valueColour(field, value) } : cell === "color-background" ? { background: valueColour(field, value), color: "var(--card)" } : {};
    const link = field.links?.[0];
    const content = link ? h("a", { href: href(linked(link.url, value, row, view)) }, said) : said;
    return h("span", { style: css }, content);
  }));
}

/** A data link's address: variables, and the row's fields, each as a part of an address. */
function linked(url, value, row, view) {
  return interpolate(
    url.replace(/\$\{__value\.(raw|text)\}/g, () => encodeURIComponent(value))
      .replace(/\$\{__data\.fields(?:\.(\w+)|\["?([^"\]]+)"?\])\}/g, (_, a, b) => encodeURIComponent(row[a || b] ?? "")),
    view.values, (chosen) => encodeURIComponent([].concat(chosen).join(",")));
}

function asRows(frame) {
  if (frame.rows) return { ...frame };
  return { ref: frame.ref, columns: ["Time", "Series", "Value"], rows: frame.times.map((time, i) => ({ Time: time * 1000, Series: frame.name, Value: frame.values[i] })) };
}

/** Whether all of a panel's transformations are done here. */
export const TRANSFORMATIONS = new Set(["organize", "merge", "sortBy"]);

function transform(frames, { id, options = {}, disabled }) {
  if (disabled) return frames;
  if (id === "merge") return [merge(frames)];
  if (id === "organize") {
    return frames.map((frame) => {
      const kept = frame.columns.filter((column) => !options.excludeByName?.[column]);
      const place = options.indexByName || {};
      kept.sort((a, b) => (place[a] ?? 99) - (place[b] ?? 99));
      const name = (column) => options.renameByName?.[column] || column;
      return { ...frame, columns: kept.map(name), rows: frame.rows.map((row) => Object.fromEntries(kept.map((column) => [name(column), row[column] ?? null]))) };
    });
  }
  if (id === "sortBy") {
    const { field, desc } = options.sort?.[0] || {};
    const order = (a, b) => (a[field] > b[field] ? 1 : a[field] < b[field] ? -1 : 0) * (desc ? -1 : 1);
    return frames.map((frame) => ({ ...frame, rows: [...frame.rows].sort(order) }));
  }
  return frames;
}

/** Rows with the same labels become one, with a column of values per query. */
function merge(frames) {
  const rows = new Map();
  const columns = new Set();
  for (const frame of frames) {
    const value = frames.length > 1 ? `Value #${frame.ref}` : "Value";
    for (const row of frame.rows) {
      const { Value, Time, ...labels } = row;
      const key = JSON.stringify(Object.entries(labels).sort());
      rows.set(key, { Time, ...labels, ...rows.get(key), [value]: Value });
    }
    for (const column of frame.columns) columns.add(column === "Value" ? value : column);
  }
  return { columns: [...columns], rows: [...rows.values()] };
}

const LEVELS = ["log.level", "level", "severity"];

function logs(place, panel, frames) {
  const rows = frames.flatMap((frame) => (frame.rows || []).map((row) => ({ row, time: row[frame.time] })));
  if (!rows.length) return empty(place, panel);
  place.replaceChildren(h("div", { class: "logs", role: "log", tabindex: "0", "aria-label": panel.title || "Logs" }, rows.map(({ row, time }) => {
    const level = String(LEVELS.map((name) => row[name]).find(Boolean) || "").toLowerCase();
    const kind = /err|crit|fatal/.test(level) ? "error" : /warn/.test(level) ? "warn" : "info";
    const who = row["service.name"] || row["container.name"] || "";
    return h("div", { class: kind }, h("span", { class: "dim" }, `${moment(Date.parse(time) / 1000)} ${level} ${who} `), String(row.message ?? row.line ?? JSON.stringify(row)));
  })));
}

function text(place, panel, frames, view) {
  const { content = "", mode = "markdown" } = panel.options || {};
  const said = interpolate(content, view.values);
  if (mode === "markdown") place.replaceChildren(...markdown(said));
  else place.replaceChildren(h("pre", {}, said)); // HTML is shown as what it is: text
}

export function empty(place, panel) {
  const reason = /Empty when [^.]+\./.exec(panel.description || "");
  place.replaceChildren(h("p", { class: "message" }, reason ? `No data. ${reason[0]}` : "No data in this time range."));
}
