// What the CI server built last.

import { ask, h, href, now, reachable, repeat } from "./base.js";
import { ago, format } from "./format.js";

const content = document.getElementById("content");
const WORDS = { SUCCESS: "passed", FAILURE: "failed", UNSTABLE: "unstable", ABORTED: "aborted", NOT_BUILT: "not built" };
const SIGNS = { passed: "✓", failed: "✗", unstable: "!", aborted: "■", running: "…" };
let shown = "";

repeat(async () => {
  let data;
  try {
    data = await ask("/api/builds");
  } catch (error) {
    shown = "";
    content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message,
      error.status === 401 ? [" ", h("a", { href: "/login?to=/builds" }, "Sign in")] : null));
    return;
  }
  const state = JSON.stringify({ ...data, looked: Math.floor(now() / 15000) });
  if (state === shown || content.contains(document.activeElement)) return;
  shown = state;
  draw(data);
}, 3);

function draw({ server, url, jobs }) {
  if (!server) {
    content.replaceChildren(h("p", {}, "This sandbox has no CI server. The profiles lite, ci and full have one."));
    return;
  }
  const latest = (job) => job.builds[0]?.timestamp || 0;
  jobs.sort((a, b) => latest(b) - latest(a) || a.name.localeCompare(b.name));
  content.replaceChildren(
    h("p", { class: "bar" }, h("span", { class: "dim" }, `The last builds of ${jobs.length} ${jobs.length === 1 ? "job" : "jobs"}, the latest first.`),
      url ? h("a", { href: href(reachable(url)) }, `Open ${server}`) : null),
    jobs.length ? h("ul", { class: "stack plain", "aria-label": "Jobs" }, jobs.map(job)) : h("p", {}, "It has no jobs yet."));
}

function job(item) {
  const [last] = item.builds;
  return h("li", { class: "card job", "data-job": item.name },
    h("h2", {}, link(item.url, item.name)),
    last
      ? h("p", { class: "small" }, h("span", { class: `dot ${word(last)}` }), h("strong", {}, word(last)),
          last.building ? "" : ` in ${format(last.duration, "ms")}`, h("span", { class: "dim" }, `, ${ago(last.timestamp / 1000, now() / 1000)}`))
      : h("p", { class: "small dim" }, "not built yet"),
    h("ul", { class: "builds", "aria-label": `Builds of ${item.name}` }, item.builds.map(build)));
}

function build(item) {
  const label = `Build ${item.number}: ${word(item)}${item.building ? "" : ` in ${format(item.duration, "ms")}`}`;
  return h("li", {}, h("a", { class: `button small ${word(item)}`, href: address(item.url), "aria-label": label, title: label },
    `${SIGNS[word(item)] || "–"} #${item.number}`));
}

function word(item) {
  return item.building ? "running" : WORDS[item.result] || "not built";
}

function link(url, name) {
  return h("a", { href: address(url) }, name);
}

function address(url) {
  return url ? href(reachable(url)) : null;
}
