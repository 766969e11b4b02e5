// Questions to data sources, and their answers as frames: series over time, or rows.
//
// Series: {name, labels, times: [seconds], values: [number|null], ref}. Rows: {columns, rows: [{column: value}], ref}.

import { ask } from "./base.js";
import { duration } from "./format.js";

const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];

/** The step (seconds) of a query over `range` (milliseconds) that gives about `points` points, as Grafana chooses it. */
export function step(range, points, least) {
  const wanted = Math.max(range / 1000 / points, least);
  return STEPS.find((candidate) => candidate >= wanted * 0.99) || STEPS.at(-1);
}

/** Grafana's time variables for a query. */
export function timeVariables(seconds, scrape, range) {
  const text = (value) => (value % 60 ? `${value}s` : value % 3600 ? `${value / 60}m` : `${value / 3600}h`);
  const rate = Math.max(seconds + scrape, 4 * scrape);
  return {
    __interval: text(seconds),
    __interval_ms: String(seconds * 1000),
    __rate_interval: text(rate),
    __range: `${Math.round(range / 1000)}s`,
    __range_s: String(Math.round(range / 1000)),
    __range_ms: String(Math.round(range)),
  };
}

/** `$name`, `${name}`, `${name:format}` and `[[name]]`, from {name: text | text[]}; unknown ones stay as they are. */
export function interpolate(text, values, quote = (value) => [].concat(value).join(",")) {
  return String(text ?? "").replace(/\$(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)\]\]/g, (whole, a, b, format, c) => {
    const value = values[a || b || c];
    if (value === undefined) return whole;
    const list = [].concat(value);
    if (format === "raw" || format === "text") return list.join(",");
    if (format === "csv") return list.join(",");
    if (format === "pipe") return list.join("|");
    if (format === "regex") return asPattern(list);
    return quote(value);
  });
}

/** A chosen value within PromQL: several become a pattern, one is only protected from ending its quotes. */
export function promqlQuote(value) {
  return Array.isArray(value) ? asPattern(value) : String(value).replace(/\\/g, "\\\\").replace(/"/g, '\\"');
}

function asPattern(list) {
  const escaped = list.map((item) => (item === ".*" || item === ".+" ? item : item.replace(/[\\^$*+?.()|[\]{}"]/g, "\\\\$&")));
  return escaped.length === 1 ? escaped[0] : `(${escaped.join("|")})`;
}

/** Asks a panel's target. `context`: {source, from, to (ms), points, values, signal, interval (text)}. */
export async function run(target, context) {
  const type = context.source.type;
  if (type === "prometheus") return prometheus(target, context);
  if (type === "elasticsearch") return elasticsearch(target, context);
  throw new Error(`Data source ${type} is not asked here; Grafana does.`);
}

async function prometheus(target, { source, from, to, points, values, signal, interval }) {
  const scrape = duration(source.interval) / 1000;
  const least = Math.max(scrape, duration(interval) / 1000, duration(target.interval) / 1000);
  const seconds = step(to - from, points, least);
  const query = interpolate(target.expr, { ...values, ...timeVariables(seconds, scrape, to - from) }, promqlQuote);
  const instantly = target.instant && !target.range;
  const body = new URLSearchParams(
    instantly
      ? { query, time: String(to / 1000) }
      : { query, start: String(Math.floor(from / 1000 / seconds) * seconds), end: String(Math.floor(to / 1000 / seconds) * seconds), step: String(seconds) });
  const path = `/api/sources/${source.uid}/api/v1/${instantly ? "query" : "query_range"}`;
  const answer = await ask(path, { method: "POST", body, signal });
  const { resultType, result } = answer.data;
  const list = resultType === "scalar" || resultType === "string" ? [{ metric: {}, value: result }] : result;
  if (target.format === "table") return [rows(list, target.refId)];
  return list.map((item) => {
    const pairs = item.values || [item.value];
    return {
      ref: target.refId,
      query,
      labels: item.metric,
      name: legend(target.legendFormat, item.metric, list, query),
      times: pairs.map((pair) => Number(pair[0])),
      values: pairs.map((pair) => number(pair[1])),
      step: seconds,
    };
  });
}

function number(text) {
  const value = Number(text); // "NaN" and "+Inf" included
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number.isNaN(value) ? null : value;
}

function legend(format, labels, all, query) {
  if (format && format !== "__auto") {
    return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name) => labels[name] ?? "");
  }
  const { __name__: metric = "", ...rest } = labels;
  const names = Object.keys(rest);
  if (!names.length) return metric || query;
  const varied = names.filter((name) => all.some((other) => other.metric[name] !== labels[name]));
  if (varied.length === 1) return rest[varied[0]];
  return `${metric}{${names.map((name) => `${name}="${rest[name]}"`).join(", ")}}`;
}

function rows(list, ref) {
  const names = [...new Set(list.flatMap((item) => Object.keys(item.metric)))].sort();
  return {
    ref,
    columns: ["Time", ...names, "Value"],
    rows: list.flatMap((item) =>
      (item.values || [item.value]).map((pair) => ({ Time: Number(pair[0]) * 1000, ...item.metric, Value: number(pair[1]) }))),
  };
}

async function elasticsearch(target, { source, from, to, points, values, signal, interval }) {
  const field = target.timeField || source.timeField || "@timestamp";
  const filter = [{ range: { [field]: { gte: from, lte: to, format: "epoch_millis" } } }];
  const query = interpolate(target.query, values, luceneQuote).trim();
  if (query) filter.push({ query_string: { analyze_wildcard: true, query } });
  const path = `/api/sources/${source.uid}/${encodeURIComponent(source.index || "logs-*")}/_search`;
  const search = (body) => ask(path, {
    method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query: { bool: { filter } }, ...body }),
  });
  const kind = target.metrics?.[0]?.type || "count";
  if (["logs", "raw_data", "raw_document"].includes(kind)) {
    const size = Number(target.metrics[0].settings?.limit || target.metrics[0].settings?.size || 500);
    const found = await search({ size, sort: [{ [field]: { order: "desc" } }] });
    return [documents(found.hits.hits, field, target.refId)];
  }
  const seconds = step(to - from, points, Math.max(1, duration(interval) / 1000));
  const buckets = target.bucketAggs?.length ? target.bucketAggs : [{ type: "date_histogram", id: "2" }];
  const inner = kind === "count" ? {} : { value: { [kind === "cardinality" ? "cardinality" : kind]: { field: target.metrics[0].field } } };
  const aggs = buckets.reduceRight((nested, bucket) => ({ [bucket.id]: { ...aggregation(bucket, field, seconds), aggs: nested } }), inner);
  const found = await search({ size: 0, aggs });
  return flatten(found.aggregations, buckets, kind, [], target).map((item) => ({ ...item, ref: target.refId, query, step: seconds }));
}

function aggregation(bucket, field, seconds) {
  if (bucket.type === "terms") return { terms: { field: bucket.field, size: Number(bucket.settings?.size) || 10 } };
  const fixed = bucket.settings?.interval;
  return { date_histogram: { field: bucket.field || field, fixed_interval: fixed && fixed !== "auto" ? fixed : `${seconds}s`, min_doc_count: 0 } };
}

function flatten(node, buckets, kind, keys, target) {
  const [bucket, ...rest] = buckets;
  const found = node?.[bucket.id]?.buckets || [];
  const value = (item) => (kind === "count" ? item.doc_count : item.value?.value ?? null);
  if (bucket.type === "date_histogram") {
    const name = target.alias ? target.alias.replace(/\{\{\s*term [^}]+\}\}/g, keys.join(" ")) : keys.join(" ") || "Count";
    return [{ name, labels: {}, times: found.map((item) => item.key / 1000), values: found.map(value) }];
  }
  if (rest.length) return found.flatMap((item) => flatten(item, rest, kind, [...keys, String(item.key)], target));
  return found.map((item) => ({ name: [...keys, item.key].join(" "), labels: { [bucket.field]: String(item.key) }, times: [Date.now() / 1000], values: [value(item)] }));
}

function luceneQuote(value) {
  const list = [].concat(value).map((item) => `"${String(item).replace(/(["\\])/g, "\\$1")}"`);
  return list.length === 1 ? list[0] : `(${list.join(" OR ")})`;
}

function documents(hits, field, ref) {
  const flat = (object, prefix = "") => Object.entries(object).reduce((all, [key, value]) => {
    const name = prefix ? `${prefix}.${key}` : key;
    return value && typeof value === "object" && !Array.isArray(value) ? { ...all, ...flat(value, name) } : { ...all, [name]: value };
  }, {});
  const found = hits.map((hit) => flat(hit._source));
  const columns = [...new Set(found.flatMap(Object.keys))].sort((a, b) => (a === field ? -1 : b === field ? 1 : a.localeCompare(b)));
  return { ref, columns, rows: found, time: field };
}
