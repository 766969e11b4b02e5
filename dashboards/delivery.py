"""Delivery: which version of the storefront runs, since when, and what was decided about it."""

from __future__ import annotations

from dashboards.panels import NONE_IS_GOOD, annotation, chart, dashboard, prom, stat, table, timeline, variable

INFO = 'app_info{job="storefront", version=~"$version"}'
DECISIONS = "shop_release_decisions_total"
RELEASES = annotation(
    "Releases",
    "blue",
    f"sum by (decision, reason) (increase({DECISIONS}[15s])) > 0",
    "release {{decision}}",
    "{{reason}}",
)
BY_VERSION = "on (instance, track) group_left (version) " + INFO
FAILED = f'sum by (version) (rate(http_requests_total{{job="storefront", status=~"5.."}}[1m]) * {BY_VERSION})'
ALL = f'sum by (version) (rate(http_requests_total{{job="storefront"}}[1m]) * {BY_VERSION})'
SLOW = f'sum by (le, version) (rate(http_request_duration_seconds_bucket{{job="storefront"}}[1m]) * {BY_VERSION})'

DASHBOARD = dashboard(
    "delivery",
    "Delivery",
    "Releases of the storefront: which version serves whom, what the canary's numbers said, and what was decided. Decisions are marked in every chart.",
    ["apps", "delivery"],
    [
        (4, [
            stat("Stable", "The version that most visitors get. Good: the one that was promoted last.",
                 prom('max by (version, commit) (app_info{job="storefront", track="stable"})', "{{version}} ({{commit}})", instant=True),
                 graph=False, text="name"),
            stat("Canary", "The version that the canary runs. Good: the same as stable between releases.",
                 prom('max by (version, commit) (app_info{job="storefront", track="canary"})', "{{version}} ({{commit}})", instant=True),
                 graph=False, text="name"),
            stat("Canary's share", "Share of the visitors that the canary serves. Good: 0 between releases; 10, 50, 100 % during one.",
                 prom('sum(rate(haproxy_server_http_responses_total{proxy="storefront", server="canary"}[1m])) / sum(rate(haproxy_server_http_responses_total{proxy="storefront"}[1m]))'),
                 unit="percentunit", decimals=0),
            stat("Rolled back", "Releases taken back in the last day. Good: few; a rollback that works is better than none that was needed.",
                 prom(f'sum(increase({DECISIONS}{{decision="rollback"}}[1d])) or vector(0)'), decimals=0, steps=NONE_IS_GOOD),
        ]),
        (6, [
            timeline("Versions", "Which versions run, and when that changed. Good: one, and two during a release.",
                     prom(f"max by (track, version) ({INFO})", "{{track}} {{version}}"), {"1": ("runs", "green")}),
        ]),
        (8, [
            chart("Requests by version", "Who serves the visitors. Good: a step up for the new version, none lost on the way.",
                  prom(ALL, "{{version}}"), unit="reqps", stack=True),
            chart("Errors by version", "Share of the answers that are 5xx. Good: the new version's line lies on the old one's.",
                  prom(f"({FAILED} or 0 * {ALL}) / ({ALL} > 0)", "{{version}}"), unit="percentunit", limit=0.05),
            chart("Response time by version, p95", "Good: the new version is no slower than the old one.",
                  prom(f"histogram_quantile(0.95, {SLOW})", "{{version}}"), unit="s", limit=0.5),
        ]),
        (8, [
            table("Last decisions", "What was decided last, why and when. Good: `promote`. Empty when no release was made since the sandbox began.",
                  {"decision": "Decision", "version": "Version", "reason": "Reason", "Value": "When"},
                  "max by (decision, version, reason) (shop_release_last_decision_timestamp_seconds) * 1000",
                  units={"When": "dateTimeAsIso"}, largest_first="When"),
            chart("Decisions", "Decisions so far, by kind and reason. Good: more promoted than rolled back. Empty when no release was made since the sandbox began.",
                  prom(f"sum by (decision, reason) ({DECISIONS}) > 0", "{{decision}}: {{reason}}"), unit="short"),
        ]),
    ],
    [variable("version", "Version", 'label_values(app_info{job="storefront"}, version)')],
    [RELEASES],
)  # fmt: skip
