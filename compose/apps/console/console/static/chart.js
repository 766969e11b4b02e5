// Time series as uPlot draws them: stacking, thresholds, annotations, a legend that switches, one cursor for all.

import { h } from "./base.js";
import { clock, moment } from "./format.js";
import { display, fieldOf, reduce, resolved, seriesColour, valueColour, colour } from "./field.js";

/** Distances of round numbers of bytes. */
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Draws `series` into `place`. `view`: {from, to (ms), annotations, sync, zoom(from, to)}. Returns a function that ends it. */
export function timeseries(place, panel, series, view) {
  const fields = series.map((item, index) => fieldOf(panel, item.name, item.ref, index));
  const shown = fields.map((field) => !field.custom.hideFrom?.viz);
  const plot = h("div", { class: "plot" });
  const keys = legend(panel, series, fields, shown, () => draw());
  place.replaceChildren(plot, ...(keys ? [keys] : []));
  const [times, columns] = aligned(series);
  let chart = null;

  function draw() {
    chart?.destroy();
    const stacked = new Set(fields.flatMap((field, i) => (stacking(field) && shown[i] ? [i] : [])));
    const drawn = accumulate(columns, stacked, fields);
    chart = new uPlot(options(plot, panel, series, fields, shown, stacked, columns, view), [times, ...drawn], plot);
  }

  const observer = new ResizeObserver(() => chart?.setSize(size(plot)));
  draw();
  observer.observe(plot);
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", `${panel.title}: ${summary(series, fields)}`);
  return () => {
    observer.disconnect();
    chart?.destroy();
  };
}

function summary(series, fields) {
  const said = series.slice(0, 8).map((item, i) => `${fields[i].title} ${display(fields[i], reduce(item.values))}`);
  return said.join(", ") + (series.length > 8 ? `, and ${series.length - 8} more` : "");
}

function size(plot) {
  return { width: Math.max(plot.clientWidth, 50), height: Math.max(plot.clientHeight, 60) };
}

function stacking(field) {
  return field.custom.stacking && field.custom.stacking.mode !== "none" && field.custom.stacking.mode !== undefined;
}

/** All series over one list of times; a hole where a series has no point. */
function aligned(series) {
  const times = new Set();
  for (const item of series) {
    for (const time of item.times) times.add(time);
  }
  const steps = series.map((item) => item.step || 0).filter(Boolean);
  const sorted = [...times].sort((a, b) => a - b);
  const all = steps.length ? withHoles(sorted, Math.max(...steps)) : sorted;
  const place = new Map(all.map((time, index) => [time, index]));
  const columns = series.map((item) => {
    const column = new Array(all.length).fill(null);
    item.times.forEach((time, index) => {
      const value = item.values[index];
      column[place.get(time)] = Number.isFinite(value) ? value : null;
    });
    return column;
  });
  return [all, columns];
}

/** Where a point is missing a moment is put in, so that no line is drawn across. */
function withHoles(times, step) {
  const all = [];
  times.forEach((time, index) => {
    if (index && time - times[index - 1] > step * 1.5) all.push(times[index - 1] + step);
    all.push(time);
  });
  return all;
}

function accumulate(columns, stacked, fields) {
  const sums = new Map();
  return columns.map((column, index) => {
    if (!stacked.has(index)) return column;
    const group = fields[index].custom.stacking.group || "A";
    const below = sums.get(group) || new Array(column.length).fill(0);
    const own = column.map((value, i) => below[i] + (value ?? 0));
    sums.set(group, own);
    return own.map((value, i) => (column[i] === null ? null : value));
  });
}

function options(plot, panel, series, fields, shown, stacked, columns, view) {
  const quiet = resolved("var(--quiet)", plot);
  const line = resolved("var(--line)", plot);
  const main = fields[0] || { custom: {} };
  const order = [...stacked];
  const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "11px system-ui, sans-serif" };
  return {
    ...size(plot),
    legend: { show: false },
    cursor: {
      sync: view.sync ? { key: view.sync, setSeries: false } : undefined,
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
    },
    scales: { x: { time: true, range: [view.from / 1000, view.to / 1000] }, y: { range: (u, low, high) => bounds(main, low, high) } },
    axes: [
      { ...axis, space: 70, values: (u, splits) => splits.map((value) => (view.to - view.from > 36e5 * 48 ? moment(value).slice(0, 8) : clock(value))) },
      { ...axis, incrs: /^(bytes|binBps)$/.test(main.unit) ? POWERS : undefined, size: (u, texts) => Math.max(30, ...(texts || []).map((text) => text.length * 7 + 18)), values: (u, splits) => splits.map((value) => display({ ...main, mappings: [] }, value)) },
    ],
    series: [{}, ...series.map((item, index) => serie(plot, fields[index], shown[index], stacked.has(index)))],
    bands: order.slice(1).map((index, i) => ({ series: [index + 1, order[i] + 1] })),
    hooks: {
      drawClear: [(u) => marks(u, panel, main, view, plot)],
      setSelect: [(u) => {
        if (u.select.width > 5) view.zoom(u.posToVal(u.select.left, "x") * 1000, u.posToVal(u.select.left + u.select.width, "x") * 1000);
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      }],
      setCursor: [(u) => hint(u, panel, series, fields, shown, columns, view)],
    },
  };
}

function serie(plot, field, shown, stacked) {
  const custom = field.custom;
  const css = resolved(seriesColour(field), plot);
  const opacity = (custom.fillOpacity || 0) / 100;
  const bars = custom.drawStyle === "bars";
  const paths = bars ? uPlot.paths.bars({ size: [0.8, 60] })
    : custom.lineInterpolation?.startsWith("step") ? uPlot.paths.stepped({ align: custom.lineInterpolation === "stepBefore" ? -1 : 1 })
      : custom.lineInterpolation === "smooth" ? uPlot.paths.spline() : undefined;
  return {
    show: shown,
    stroke: css,
    width: custom.drawStyle === "points" ? 0 : custom.lineWidth ?? 1,
    dash: custom.lineStyle?.fill === "dash" ? custom.lineStyle.dash || [6, 4] : undefined,
    fill: opacity ? translucent(css, stacked ? Math.max(opacity, 0.2) : opacity) : undefined,
    paths,
    spanGaps: custom.spanNulls === true,
    points: { show: custom.showPoints === "always" || custom.drawStyle === "points" ? true : undefined, size: custom.pointSize || 5 },
  };
}

function translucent(css, opacity) {
  const parts = /rgba?\(([^)]+)\)/.exec(css);
  if (parts) return `rgba(${parts[1].split(",").slice(0, 3).join(",")}, ${opacity})`;
  return css + Math.round(opacity * 255).toString(16).padStart(2, "0");
}

function bounds(field, low, high) {
  const least = field.min ?? null;
  const most = field.max ?? null;
  if (low === null || low === undefined) return [least ?? 0, most ?? 1];
  let [from, to] = low === 0 && high === 0 ? [0, 1] : uPlot.rangeNum(low, high, 0.1, true);
  if (field.custom.axisSoftMin !== undefined) from = Math.min(from, field.custom.axisSoftMin);
  if (field.custom.axisSoftMax !== undefined) to = Math.max(to, field.custom.axisSoftMax);
  from = least ?? from;
  to = most ?? to;
  return to > from ? [from, to] : [from, from + 1];
}

/** Annotations and threshold lines, under the series. */
function marks(u, panel, field, view, plot) {
  const { ctx, bbox } = u;
  ctx.save();
  for (const item of view.annotations) {
    const css = resolved(colour(item.color), plot);
    const left = Math.max(u.valToPos(item.from, "x", true), bbox.left);
    const right = Math.min(u.valToPos(item.to, "x", true), bbox.left + bbox.width);
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    ctx.fillStyle = translucent(css, 0.12);
    ctx.fillRect(left, bbox.top, Math.max(right - left, 1), bbox.height);
    ctx.fillStyle = css;
    ctx.fillRect(left, bbox.top, 1.5 * devicePixelRatio, bbox.height);
  }
  const style = field.custom.thresholdsStyle?.mode || "off";
  if (style !== "off") {
    for (const step of field.thresholds?.steps || []) {
      if (step.value === null) continue;
      const y = u.valToPos(step.value, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.strokeStyle = resolved(colour(step.color), plot);
      ctx.setLineDash(style.includes("dash") ? [6, 4] : []);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
  }
  ctx.restore();
}

/** The values under the cursor, and what is annotated there. Only where the mouse is: the others show a line. */
function hint(u, panel, series, fields, shown, columns, view) {
  const over = u.over;
  over.hint?.remove();
  const { idx, left, top } = u.cursor;
  if (idx === null || idx === undefined || left < 0 || !over.matches(":hover") || panel.options?.tooltip?.mode === "none") return;
  const time = u.data[0][idx];
  let lines = series.map((item, i) => ({ field: fields[i], value: columns[i][idx], shown: shown[i] })).filter((item) => item.shown && item.value !== null);
  if (panel.options?.tooltip?.mode === "multi") {
    if (panel.options.tooltip.sort === "desc") lines.sort((a, b) => b.value - a.value);
    if (panel.options.tooltip.sort === "asc") lines.sort((a, b) => a.value - b.value);
  } else {
    const at = u.posToVal(top, "y");
    lines = lines.sort((a, b) => Math.abs(a.value - at) - Math.abs(b.value - at)).slice(0, 1);
  }
  const notes = view.annotations.filter((item) => time >= item.from - 5 && time <= item.to + 5);
  over.hint = h("div", { class: "tooltip", style: { left: `${left > u.over.clientWidth / 2 ? 0 : left + 15}px`, top: "0" } },
    h("strong", {}, moment(time)),
    lines.slice(0, 20).map(({ field, value }) =>
      h("div", {}, h("span", {}, h("span", { class: "swatch", style: { color: seriesColour(field) } }), field.title), h("span", {}, display(field, value)))),
    notes.map((item) => h("div", { style: { color: colour(item.color) } }, `${item.title} ${item.text}`)));
  if (left > over.clientWidth / 2) Object.assign(over.hint.style, { left: "auto", right: `${over.clientWidth - left + 15}px` });
  over.append(over.hint);
}

/** A list or table of the series; a click hides one, with Ctrl shows only it. */
function legend(panel, series, fields, shown, redraw) {
  const options = panel.options?.legend || {};
  if (options.showLegend === false || options.displayMode === "hidden" || !series.length) return null;
  const calcs = options.calcs || [];
  const buttons = fields.map((field, index) =>
    h("button", { type: "button", "aria-pressed": "true", title: "Hide or show; with Ctrl, show only this", onclick: (event) => {
      if (event.ctrlKey || event.metaKey) shown.fill(false);
      shown[index] = event.ctrlKey || event.metaKey ? true : !shown[index];
      if (!shown.some(Boolean)) shown.fill(true);
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(shown[i])));
      redraw();
    } }, h("span", { class: "swatch", style: { color: seriesColour(field) } }), field.title));
  if (options.displayMode === "table") {
    return h("div", { class: "legend table" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Name"), calcs.map((calc) => h("th", { scope: "col", class: "number" }, calc)))),
      h("tbody", {}, buttons.map((button, i) => h("tr", {}, h("td", {}, button), calcs.map((calc) => h("td", { class: "number" }, display(fields[i], reduce(series[i].values, calc)))))))));
  }
  const values = (i) => calcs.map((calc) => ` ${calc}: ${display(fields[i], reduce(series[i].values, calc))}`).join("");
  return h("div", { class: "legend" }, buttons.map((button, i) => h("span", {}, button, values(i) ? h("span", { class: "dim" }, values(i)) : null)));
}

/** Rows of coloured spans: what was, and from when till when. */
export function stateTimeline(place, panel, series, view) {
  const box = h("div", { class: "timeline" });
  const width = view.to / 1000 - view.from / 1000;
  series.forEach((item, index) => {
    const field = fieldOf(panel, item.name, item.ref, index);
    const strip = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    strip.setAttribute("viewBox", "0 0 1000 10");
    strip.setAttribute("preserveAspectRatio", "none");
    strip.setAttribute("role", "img");
    const spans = merged(item);
    strip.setAttribute("aria-label", `${field.title}: now ${display(field, reduce(item.values))}, ${spans.length - 1} changes`);
    for (const span of spans) {
      if (span.value === null) continue;
      const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const left = Math.max(0, ((span.from - view.from / 1000) / width) * 1000);
      part.setAttribute("x", left);
      part.setAttribute("y", 0);
      part.setAttribute("height", 10);
      part.setAttribute("width", Math.max(1, ((span.to - view.from / 1000) / width) * 1000 - left));
      part.style.fill = valueColour(field, span.value);
      part.style.fillOpacity = (field.custom.fillOpacity ?? 70) / 100;
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = `${display(field, span.value)} from ${moment(span.from)} to ${moment(span.to)}`;
      part.append(title);
      strip.append(part);
    }
    box.append(h("span", { class: "label", title: field.title }, field.title), strip);
  });
  const times = [0, 0.25, 0.5, 0.75, 1].map((part) => h("span", {}, clock(view.from / 1000 + part * width)));
  box.append(h("span"), h("div", { class: "times" }, times));
  place.replaceChildren(box);
}

function merged(item) {
  const spans = [];
  const step = item.step || 0;
  item.times.forEach((time, index) => {
    const value = item.values[index];
    const last = spans.at(-1);
    if (last && time - last.to > step * 1.5) spans.push({ value: null, from: last.to, to: time });
    const before = spans.at(-1);
    if (before && before.value === value) before.to = time + step;
    else spans.push({ value, from: time, to: time + step });
  });
  return spans;
}
