// What a panel's fieldConfig says of one series or column: unit, colour, thresholds, mappings, name.

import { format } from "./format.js";

const PALETTE = ["green", "yellow", "blue", "orange", "red", "purple", "teal", "brown", "pink", "olive"];
const NAMED = new Set(PALETTE);

/** A CSS colour for Grafana's `dark-red`, `semi-dark-green`, `#abc`, `text` and so on. */
export function colour(name) {
  const plain = String(name || "").replace(/^(super-light|semi-dark|light|dark)-/, "");
  if (NAMED.has(plain)) return `var(--${plain})`;
  if (/^#[0-9a-f]{3,8}$/i.test(plain) || /^rgba?\([\d\s.,%]+\)$/.test(plain)) return plain;
  return plain === "transparent" ? "transparent" : "var(--quiet)";
}

/** The same for a canvas, which knows no variables. */
export function resolved(css, element) {
  if (!css.startsWith("var(")) return css;
  const probe = element.ownerDocument.createElement("span");
  probe.style.color = css;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** The settings of the series or column `name` (the `index`-th): defaults with the matching overrides laid over. */
export function fieldOf(panel, name, ref, index, isNumber = true) {
  const config = structuredClone(panel.fieldConfig?.defaults || {});
  config.custom = config.custom || {};
  for (const override of panel.fieldConfig?.overrides || []) {
    if (!matches(override.matcher, name, ref, isNumber)) continue;
    for (const { id, value } of override.properties) {
      if (id.startsWith("custom.")) config.custom[id.slice(7)] = value;
      else config[id] = value;
    }
  }
  const title = config.displayName && !config.displayName.includes("$") ? config.displayName : name;
  return { ...config, title, index };
}

function matches({ id, options }, name, ref, isNumber) {
  if (id === "byName") return options === name;
  if (id === "byRegexp") {
    const parts = /^\/(.*)\/([a-z]*)$/.exec(options);
    return new RegExp(parts ? parts[1] : options, parts ? parts[2] : "").test(name);
  }
  if (id === "byFrameRefID") return options === ref;
  if (id === "byType") return options === (isNumber ? "number" : "string");
  return false;
}

/** The colour of a whole series. */
export function seriesColour(field) {
  const { mode = "palette-classic", fixedColor } = field.color || {};
  if (mode === "fixed" || mode === "shades") return colour(fixedColor);
  if (mode === "thresholds") return valueColour(field, null);
  return colour(PALETTE[field.index % PALETTE.length]);
}

/** The colour of one value, by mapping, else thresholds. */
export function valueColour(field, value, range = null) {
  const mapped = mapping(field, value);
  if (mapped?.color) return colour(mapped.color);
  if (field.color?.mode === "fixed") return colour(field.color.fixedColor);
  const steps = field.thresholds?.steps || [{ color: "green", value: null }];
  let measured = value;
  if (field.thresholds?.mode === "percentage" && range) measured = ((value - range[0]) / (range[1] - range[0])) * 100;
  let found = steps[0]?.color || "green";
  for (const step of steps) if (step.value !== null && measured !== null && measured >= step.value) found = step.color;
  return colour(found);
}

/** A value as text: its mapping, else its number with the unit. */
export function display(field, value) {
  const mapped = mapping(field, value);
  if (mapped?.text) return mapped.text;
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return field.noValue || "–";
  return format(value, field.unit, field.decimals);
}

function mapping(field, value) {
  for (const item of field.mappings || []) {
    if (item.type === "value" && Object.hasOwn(item.options, String(value))) return item.options[String(value)];
    if (item.type === "range" && typeof value === "number" && value >= (item.options.from ?? -Infinity) && value <= (item.options.to ?? Infinity)) return item.options.result;
    if (item.type === "regex" && new RegExp(item.options.pattern.replace(/^\/|\/$/g, "")).test(String(value))) return item.options.result;
    if (item.type === "special" && (item.options.match === "null" || item.options.match === "null+nan") && (value === null || value === undefined)) return item.options.result;
  }
  return null;
}

const CALCULATIONS = {
  lastNotNull: (list) => list.at(-1),
  last: (list) => list.at(-1),
  firstNotNull: (list) => list[0],
  first: (list) => list[0],
  mean: (list) => list.reduce((sum, value) => sum + value, 0) / list.length,
  max: (list) => list.reduce((a, b) => Math.max(a, b)),
  min: (list) => list.reduce((a, b) => Math.min(a, b)),
  sum: (list) => list.reduce((sum, value) => sum + value, 0),
  count: (list) => list.length,
  range: (list) => CALCULATIONS.max(list) - CALCULATIONS.min(list),
  diff: (list) => list.at(-1) - list[0],
};

/** One number from a series' values; null when there is none. */
export function reduce(values, name = "lastNotNull") {
  const known = values.filter((value) => value !== null);
  return known.length ? (CALCULATIONS[name] || CALCULATIONS.lastNotNull)(known) : null;
}
