// Every service as it is now.

import { actions } from "./actions.js";
import { ask, clockDiffers, code, h, href, notice, now, reachable, repeat } from "./base.js";
import { ago, format } from "./format.js";

const content = document.getElementById("content");
const loggedIn = document.body.dataset.loggedIn === "yes";
const WORDS = { ready: "ready", waiting: "waiting", stopped: "stopped", unknown: "not asked yet" };
// Group of a fragment -> its heading; in this order. Groups of a user's own come last.
const GROUPS = { apps: "Applications", edge: "Load balancer", aws: "AWS", ci: "CI", metrics: "Metrics and alerts", logs: "Logs", console: "Console", own: "Your own" };
let shown = "";

repeat(async () => {
  let data;
  try {
    data = await ask("/api/services");
  } catch (error) {
    shown = "";
    content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message));
    return;
  }
  const state = JSON.stringify({ ...data, looked: Math.floor(now() / 15000) });
  // What somebody presses or marks must not be replaced under the finger.
  if (state === shown || content.querySelector(":active") || !getSelection().isCollapsed) return;
  shown = state;
  const focused = document.activeElement.id;
  draw(data);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}, 3);

function draw(data) {
  const ready = data.services.filter((service) => service.state === "ready").length;
  const used = data.services.reduce((sum, service) => sum + (service.memory || 0), 0);
  const limit = data.services.reduce((sum, service) => sum + service.memory_limit, 0);
  content.replaceChildren(
    h("p", { class: "bar" },
      h("strong", { class: ready === data.services.length ? "good" : "" }, `${ready} of ${data.services.length} services are ready`),
      h("span", { class: "dim" }, `memory: ${format(used, "bytes")} of ${format(limit, "bytes")} at most`),
      loggedIn ? null : h("span", { class: "dim" }, h("a", { href: "/login?to=%2F", id: "sign-in" }, "Sign in"), " to restart, reset and break services"),
      clockDiffers() ? h("span", { class: "note" }, "The sandbox's clock and this browser's differ") : null),
    h("div", { class: "columns" },
      h("div", { class: "groups" }, groups(data.services)),
      h("div", { class: "stack" }, next(data.services), changes(data.changes))),
  );
}

function groups(services) {
  const names = new Set([...Object.keys(GROUPS), ...services.map((item) => item.group)]);
  return [...names].flatMap((name) => {
    const members = services.filter((item) => item.group === name);
    if (!members.length) return [];
    const section = h("section", {}, h("h2", {}, GROUPS[name] || name), h("ul", { class: "plain" }, members.map(service)));
    section.style.setProperty("--cards", members.length);
    return section;
  });
}

function service(item) {
  const label = item.state === "waiting" ? `waiting for ${item.waiting}` : WORDS[item.state];
  return h("li", { class: "card", "data-service": item.name },
    h("h3", {}, item.title),
    h("p", { class: "small" }, h("span", { class: `dot ${item.state}` }), h("strong", {}, label),
      item.state === "stopped" && item.waiting ? `: ${item.waiting}` : "",
      item.replicas > 1 ? ` · ${item.replicas} replicas` : ""),
    h("p", { class: "small dim" }, code(item.summary)),
    h("dl", { class: "facts" },
      item.endpoints.flatMap((endpoint) => [
        h("dt", {}, endpoint.name),
        h("dd", {}, address(item.name, endpoint), " ", endpoint.user ? login(item.name, endpoint) : null),
      ]),
      item.health ? [h("dt", {}, "health"), h("dd", {}, item.health)] : null,
      h("dt", {}, "memory"),
      h("dd", {}, item.memory ? `${format(item.memory, "bytes")} of ${format(item.memory_limit, "bytes")}` : `at most ${format(item.memory_limit, "bytes")}`),
      h("dt", {}, "image"),
      h("dd", {}, item.image, item.version ? ` · version ${item.version}` : "")),
    loggedIn ? actions(item) : null);
}

function address(service, endpoint) {
  if (!endpoint.url) return "inside the sandbox only";
  const url = reachable(endpoint.url);
  return h("a", { href: href(url), id: `open-${service}-${endpoint.name}` }, url.replace(/^http:\/\//, ""));
}

function login(service, endpoint) {
  const name = `Copy password of ${endpoint.user} for ${service}`;
  if (!loggedIn) return h("a", { class: "small", id: `sign-in-${service}-${endpoint.name}`, href: "/login?to=%2F" }, "sign in to copy the login");
  return [h("span", { class: "small" }, endpoint.user), " ", h("button", { class: "small", type: "button", id: `copy-${service}-${endpoint.name}`, "aria-label": name, onclick: async () => {
    try {
      const known = await ask(`/api/logins/${service}/${endpoint.name}`);
      await navigator.clipboard.writeText(known.password);
      notice(`The password of ${known.user} for ${service} is in the clipboard`);
    } catch (error) {
      notice(error.status === 401 ? "Sign in first" : `The browser did not copy: ${error.message}`);
    }
  } }, "Copy password")];
}

function next(services) {
  const advice = services.filter((item) => item.advice);
  if (!advice.length) return null;
  return h("section", { class: "card" }, h("h2", {}, "Try next"),
    h("ul", { class: "plain" }, advice.map((item) => h("li", {}, code(item.advice)))));
}

function changes(items) {
  return h("section", { class: "card" }, h("h2", {}, "Last events"),
    items.length
      ? h("ul", { class: "plain small" }, items.slice(0, 12).map((item) =>
          h("li", {}, h("strong", {}, item.service), ` ${item.text} `, h("span", { class: "dim" }, ago(item.time, now() / 1000)))))
      : h("p", { class: "dim small" }, "Nothing has changed since the console started."));
}
