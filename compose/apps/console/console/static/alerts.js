// Alert rules, which of them hold now, and what Alertmanager makes of it.

import { ask, code, h, href, now, reachable, repeat } from "./base.js";
import { ago } from "./format.js";

const content = document.getElementById("content");

repeat(async () => {
  try {
    const { sources } = await ask("/api/sources");
    const prometheus = sources.find((source) => source.type === "prometheus");
    const manager = sources.find((source) => source.type === "alertmanager");
    if (!prometheus) {
      content.replaceChildren(h("p", {}, "This sandbox has no Prometheus. The profiles lite, metrics and full do."));
      return;
    }
    const [rules, sent, inbox] = await Promise.all([
      ask(`/api/sources/${prometheus.uid}/api/v1/rules?type=alert`),
      manager ? ask(`/api/sources/${manager.uid}/api/v2/alerts`).catch((error) => error) : null,
      ask("/api/inbox").catch((error) => error),
    ]);
    draw(rules.data.groups.flatMap((group) => group.rules), sent, inbox);
  } catch (error) {
    content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message));
  }
}, 5);

const ORDER = { firing: 0, pending: 1, inactive: 2 };

function draw(rules, sent, inbox) {
  rules.sort((a, b) => ORDER[a.state] - ORDER[b.state] || a.name.localeCompare(b.name));
  const open = new Set([...content.querySelectorAll("details[open]")].map((item) => item.dataset.rule));
  const firing = rules.filter((rule) => rule.state === "firing").length;
  content.replaceChildren(
    h("p", { class: "bar" }, h("strong", { class: firing ? "bad" : "good" }, firing ? `${firing} of ${rules.length} rules fire` : `None of ${rules.length} rules fires`)),
    h("div", { class: "columns" },
      h("div", { class: "stack" }, rules.map((item) => rule(item, open))),
      h("div", { class: "stack" }, manager(sent), notifications(inbox))));
}

function rule(item, open) {
  const words = { firing: "firing", pending: "pending: it has not lasted long enough yet", inactive: "all is well" };
  return h("section", { class: "card rule" },
    h("h2", {}, h("span", { class: `dot ${item.state === "inactive" ? "ok" : item.state}` }), item.name, " ",
      item.labels.severity ? h("span", { class: "tag" }, item.labels.severity) : null),
    h("p", { class: "small" }, words[item.state] || item.state, item.health === "err" ? h("span", { class: "bad" }, ` · ${item.lastError}`) : null),
    item.alerts.map((alert) => h("div", { class: "small" },
      h("p", {}, h("strong", {}, alert.annotations.summary || item.name), " ", h("span", { class: "dim" }, `since ${ago(Date.parse(alert.activeAt) / 1000, now() / 1000)}`)),
      alert.annotations.description ? h("p", {}, code(alert.annotations.description)) : null,
      alert.annotations.runbook ? h("p", {}, h("strong", {}, "What to do: "), code(alert.annotations.runbook)) : null)),
    h("details", { class: "small", "data-rule": item.name, open: open.has(item.name) }, h("summary", {}, "The rule"),
      h("pre", { class: "scroll", tabindex: "0" }, item.query, item.duration ? `\nfor ${item.duration} s` : "")));
}

function manager(sent) {
  const box = h("section", { class: "card" }, h("h2", {}, "Alertmanager"));
  if (sent === null) box.append(h("p", { class: "small dim" }, "Alertmanager is not part of this sandbox."));
  else if (sent instanceof Error) box.append(h("p", { class: "small bad" }, sent.message));
  else if (!sent.length) box.append(h("p", { class: "small dim" }, "Alertmanager holds no alert."));
  else {
    box.append(h("ul", { class: "plain small" }, sent.map((alert) =>
      h("li", {}, h("strong", {}, alert.labels.alertname || ""), ` → ${alert.receivers.map((receiver) => receiver.name).join(", ")} `,
        h("span", { class: "dim" }, alert.status.state === "active" ? "" : `(${alert.status.state}) `, ago(Date.parse(alert.startsAt) / 1000, now() / 1000))))));
  }
  return box;
}

const SHOWN = 20;

/** What Alertmanager has sent, as it arrived in the inbox. */
function notifications(inbox) {
  const box = h("section", { class: "card", "data-part": "notifications" }, h("h2", {}, "Notifications"));
  if (inbox instanceof Error) box.append(h("p", { class: "small bad" }, inbox.message));
  else if (inbox.alerts === null) box.append(h("p", { class: "small dim" }, "The inbox is not part of this sandbox."));
  else if (!inbox.alerts.length) box.append(h("p", { class: "small dim" }, "None has arrived."));
  else {
    box.append(h("ul", { class: "plain small" }, inbox.alerts.slice(0, SHOWN).map((item) =>
      h("li", {}, h("span", { class: `dot ${item.state === "firing" ? "firing" : "ok"}` }), h("strong", {}, item.name),
        ` ${item.state} `, h("span", { class: "dim" }, ago(Date.parse(item.until || item.since) / 1000, now() / 1000)), h("br"), item.summary))));
  }
  if (inbox.url) box.append(h("p", { class: "small" }, h("a", { href: href(reachable(inbox.url)) }, inbox.alerts.length > SHOWN ? `All ${inbox.alerts.length} in the inbox` : "The inbox")));
  return box;
}
