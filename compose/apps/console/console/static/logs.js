// A search in the log store. The query and the time are in the address, so that a search can be kept and sent.

import { ask, h, href, reachable, repeat } from "./base.js";
import { moment } from "./format.js";

const content = document.getElementById("content");
const loggedIn = document.body.dataset.loggedIn === "yes";
const SPANS = { "5m": "5 minutes", "15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "day", "7d": "week" };
const LIVE = 3; // seconds

const { store, explorer, problem } = await ask("/api/logs/store").catch((error) => ({ problem: error.message }));
if (problem) {
  content.replaceChildren(h("p", { class: "card bad", role: "alert" }, problem));
} else if (!store) {
  content.replaceChildren(h("p", {}, "This sandbox has no log store. The profiles lite, logs and full do."));
} else if (!loggedIn) {
  const to = encodeURIComponent(location.pathname + location.search);
  content.replaceChildren(h("p", { class: "card" }, h("a", { href: `/login?to=${to}` }, "Sign in"), ` to search the lines in ${store}.`));
} else {
  search();
}

function search() {
  const asked = new URLSearchParams(location.search);
  const query = h("input", { id: "query", type: "search", autocomplete: "off", spellcheck: "false", value: asked.get("q") || "",
    placeholder: "log.level:error AND service.name:storefront" });
  const since = h("select", { id: "since" }, Object.entries(SPANS).map(([value, name]) =>
    h("option", { value, selected: value === (asked.get("since") || "15m") }, `last ${name}`)));
  const live = h("input", { id: "live", type: "checkbox", checked: true });
  const summary = h("p", { class: "small dim", role: "status" }, h("span", { class: "loading" }, "Loading …"));
  const lines = h("ol", { class: "logs plain card", "aria-label": "Lines", tabindex: "0" });
  const form = h("form", { class: "bar search", role: "search", onsubmit: (event) => {
    event.preventDefault();
    change();
  } },
    h("label", { for: "query" }, "Query"), query,
    h("label", { for: "since" }, "Time"), since,
    h("button", { class: "primary" }, "Search"),
    h("label", {}, live, "live"),
    explorer ? h("a", { href: href(reachable(explorer)) }, `Open ${store}'s explorer`) : null);
  let wanted = new URLSearchParams({ q: query.value, since: since.value });
  let latest = 0;

  /** What is being typed is no question yet: live lines follow what was asked last. */
  const change = () => {
    wanted = new URLSearchParams({ q: query.value, since: since.value });
    history.replaceState(null, "", `?${wanted}`);
    look();
  };
  const look = async () => {
    const mine = ++latest;
    try {
      const found = await ask(`/api/logs?${wanted}`);
      if (mine !== latest) return;
      const more = found.total > found.lines.length ? `, the newest ${found.lines.length} shown` : "";
      summary.replaceChildren(`${found.total} ${found.total === 1 ? "line" : "lines"}${more}`);
      lines.replaceChildren(...found.lines.map(line));
    } catch (error) {
      if (mine !== latest || summary.textContent === error.message) return; // said once
      summary.replaceChildren(h("span", { class: "bad", role: "alert" }, error.message));
      lines.replaceChildren();
    }
  };
  since.addEventListener("change", change);
  live.addEventListener("change", () => live.checked && look());
  content.replaceChildren(form, summary, lines);
  // Not while somebody marks lines to copy them.
  repeat(() => live.checked && getSelection().isCollapsed && look(), LIVE);
}

const KINDS = { critical: "error", fatal: "error", error: "error", warning: "warn", warn: "warn", info: "info" };

function line(item) {
  return h("li", { class: KINDS[item.level.toLowerCase()] },
    h("time", { class: "dim", datetime: item.time }, moment(Date.parse(item.time) / 1000)), " ",
    h("strong", {}, item.service), " ", item.level ? h("span", { class: "dim" }, `${item.level} `) : null, item.message);
}
