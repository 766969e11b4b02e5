// Which version of the storefront runs where, and what was decided: all of it as Prometheus remembers it.

import { ask, h, now, repeat, table } from "./base.js";
import { ago, format, moment } from "./format.js";
import { spans } from "./spans.js";

const content = document.getElementById("content");
const HOURS = 3;
const STEP = 5; // seconds
const INFO = 'app_info{job="storefront"}';
const REQUESTS = 'sum by (track) (rate(http_requests_total{job="storefront"}[1m]))';
const FAILED = 'sum by (track) (rate(http_requests_total{job="storefront", status=~"5.."}[1m]))';
const QUESTIONS = {
  running: `count by (track, version, commit) (${INFO})`,
  requests: REQUESTS,
  errors: `(${FAILED} or 0 * ${REQUESTS}) / (${REQUESTS} > 0)`,
  switches: 'sum by (track, result) (release_switches_total)',
  restarts: 'sum by (track) (release_restarts_total)',
  decisions: 'max by (decision, version, reason) (shop_release_last_decision_timestamp_seconds)',
};

repeat(async () => {
  try {
    const { sources } = await ask("/api/sources");
    const prometheus = sources.find((source) => source.type === "prometheus");
    if (!prometheus) {
      content.replaceChildren(h("p", {}, "This sandbox has no Prometheus, which remembers deliveries. The profiles lite, metrics and full do."));
      return;
    }
    const query = async (path, fields) => {
      const answer = await ask(`/api/sources/${prometheus.uid}/api/v1/${path}`, { method: "POST", body: new URLSearchParams(fields) });
      return answer.data.result;
    };
    const end = Math.floor(now() / 1000 / STEP) * STEP;
    const range = { query: `max by (track, version) (${INFO})`, start: end - HOURS * 3600, end, step: STEP };
    const [history, ...instants] = await Promise.all([
      query("query_range", range),
      ...Object.values(QUESTIONS).map((text) => query("query", { query: text })),
    ]);
    const facts = Object.fromEntries(Object.keys(QUESTIONS).map((name, index) => [name, instants[index]]));
    if (!content.contains(document.activeElement)) draw(facts, spans(history, STEP, end));
  } catch (error) {
    content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message));
  }
}, 5);

function draw(facts, history) {
  if (!facts.running.length) {
    content.replaceChildren(h("p", {}, "No storefront tells its version. The profiles lite, metrics and full have one."));
    return;
  }
  content.replaceChildren(h("div", { class: "stack" },
    section("What runs", running(facts)),
    section("Decisions", facts.decisions.length ? decisions(facts.decisions)
      : h("p", { class: "dim" }, "The delivery pipeline has told of none. What ran, below, shows what became of each version.")),
    section(`What ran in the last ${HOURS} hours`, table(["Track", "Version", "Outcome", "From", "Until"], history, (row, column) =>
      column === "From" || column === "Until" ? (row[column] ? moment(row[column]) : "now") : row[column]))));
}

function section(title, body) {
  return h("section", { class: "card" }, h("h2", {}, title), body);
}

function running({ running, requests, errors, switches, restarts }) {
  const value = (list, labels) => {
    const found = list.find((item) => Object.entries(labels).every(([name, text]) => item.metric[name] === text));
    return found ? Number(found.value[1]) : null;
  };
  const all = requests.reduce((sum, item) => sum + Number(item.value[1]), 0);
  const rows = running.map(({ metric, value: [, replicas] }) => {
    const { track, version, commit } = metric;
    return {
      Track: track, Version: version, Commit: commit, Replicas: Number(replicas),
      "Of the requests": all ? (value(requests, { track }) || 0) / all : null,
      Errors: value(errors, { track }),
      Switched: value(switches, { track, result: "switched" }),
      Failed: value(switches, { track, result: "failed" }),
      Crashes: value(restarts, { track }),
    };
  });
  rows.sort((a, b) => b.Track.localeCompare(a.Track));
  const shares = ["Of the requests", "Errors"];
  return table(Object.keys(rows[0]), rows, (row, column) => shares.includes(column) ? format(row[column], "percentunit") : String(row[column] ?? "–"));
}

function decisions(list) {
  const rows = list.map(({ metric, value: [, when] }) => ({ When: Number(when), Decision: metric.decision, Version: metric.version, Reason: metric.reason }));
  rows.sort((a, b) => b.When - a.When);
  return table(["When", "Decision", "Version", "Reason"], rows, (row, column) =>
    column === "When" ? `${moment(row.When)}, ${ago(row.When, now() / 1000)}` : row[column] ?? "");
}
