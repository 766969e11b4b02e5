// The dashboards that services brought along.

import { ask, h } from "./base.js";

const content = document.getElementById("content");

try {
  const { dashboards } = await ask("/api/dashboards");
  const { services } = await ask("/api/services");
  const grafana = services.find((item) => item.name === "grafana");
  content.replaceChildren(
    h("p", { class: "dim" }, "The same files that Grafana shows, in a light view",
      grafana ? "." : "; Grafana itself is not part of this sandbox."),
    dashboards.length
      ? h("ul", { class: "cards" }, dashboards.map((item) =>
          h("li", { class: "card" },
            h("h2", {}, h("a", { href: `/d/${encodeURIComponent(item.uid)}` }, item.title)),
            h("p", { class: "small" }, item.description),
            h("p", {}, item.tags.filter((tag) => tag !== "sandbox").map((tag) => [h("span", { class: "tag" }, tag), " "])))))
      : h("p", {}, "No service of this sandbox brings a dashboard. The profiles lite, metrics and full have some."),
  );
} catch (error) {
  content.replaceChildren(h("p", { class: "card bad", role: "alert" }, error.message));
}
