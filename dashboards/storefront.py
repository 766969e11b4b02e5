"""The storefront: rate, errors and duration; the canary against the stable version; the error budget."""

from __future__ import annotations

from dashboards.delivery import RELEASES
from dashboards.panels import ONE_IS_GOOD, RATE, Json, chart, dashboard, leads_to, prom, stat, text, variable

JOB = 'job="storefront"'
VERSION = f'on (instance, track) group_left (version) app_info{{{JOB}, version=~"$version"}}'
ALLOWED = 0.01  # the objective is 99 %; the alert StorefrontErrorBudgetBurns counts with the same
TRACKS = {"stable": "green", "canary": "orange"}


def rate(metric: str, where: str = "", window: str = RATE) -> str:
    """Of the chosen versions."""
    return f"rate({metric}{{{JOB}{where}}}{window}) * {VERSION}"


def share(where: str) -> str:
    """Of all requests, those with a status."""
    return f"(sum({rate('http_requests_total', where)}) or vector(0)) / sum({rate('http_requests_total')})"


def percentile(share: float, *by: str) -> str:
    labels = ", ".join(("le", *by))
    return f"histogram_quantile({share}, sum by ({labels}) ({rate('http_request_duration_seconds_bucket')}))"


def by_track(title: str, description: str, expr: str, unit: str, limit: float | None = None) -> Json:
    return chart(title, description, prom(expr, "{{track}}"), unit=unit, limit=limit, colours=TRACKS)


FAILED, REFUSED = ', status=~"5.."', ', status=~"4.."'
ASKED = f"sum by (track) ({rate('http_requests_total', window='[1m]')})"
ASKED_AND_FAILED = f"sum by (track) ({rate('http_requests_total', FAILED, '[1m]')})"


def left(window: str) -> str:
    """The share of the error budget that is left, of the requests in the window."""
    failed = f"(sum(increase(http_requests_total{{{JOB}{FAILED}}}[{window}])) or vector(0))"
    return f"1 - {failed} / sum(increase(http_requests_total{{{JOB}}}[{window}])) / {ALLOWED}"


DASHBOARD = dashboard(
    "storefront",
    "Storefront",
    "Rate, errors and duration of the sample shop; its canary against the stable version; its error budget. Read the top row first; then ask which route, which version, and since when.",
    ["apps", "red"],
    [
        (4, [
            stat("Requests", "**R**ate, the first of the RED signals: how much the shop is asked. Good: steady. Without traffic the other two mean nothing.",
                 prom(f"sum({rate('http_requests_total')})"), unit="reqps", more=leads_to("gateway", "Gateway")),
            stat("Errors", "**E**rrors: the share of requests answered with a 5xx status. 4xx are left out: those are the caller's mistakes. Good: below 1 %. The alert fires above 5 %.",
                 prom(share(FAILED)), unit="percentunit", decimals=1, steps=(("green", None), ("orange", 0.01), ("red", 0.05))),
            stat("Response time, p95", "**D**uration: 95 of 100 requests are quicker than this. Good: below 0.25 s. The alert fires above 0.5 s.",
                 prom(percentile(0.95)), unit="s", steps=(("green", None), ("orange", 0.25), ("red", 0.5))),
            stat("In flight", "Requests being answered at this moment. It is the rate times the duration (Little's law), so it grows when either does. Good: near 0.",
                 prom(f"sum(http_requests_in_flight{{{JOB}}})")),
            stat("Replicas up", "Storefronts that Prometheus can scrape. Good: 1 or more, and the canary. Try `sandbox scale storefront=2`.",
                 prom(f"sum(up{{{JOB}}}) or vector(0)", instant=True), steps=ONE_IS_GOOD, graph=False),
            stat("Version", "What runs now: version and commit, from the labels of `app_info`, whose value is always 1. Good: one, and two during a release.",
                 prom(f"count by (version, commit) (app_info{{{JOB}}})", "{{version}} ({{commit}})", instant=True), graph=False, text="name",
                 more=leads_to("delivery", "Delivery")),
        ]),
        (8, [
            chart("Requests by route", "The route is the template, `/api/orders/<order_id>`, and not the path: a label with an endless number of values would make Prometheus slow. Paths the shop does not have share the value `unmatched`. Good: the same mix all the time.",
                  prom(f"sum by (method, route) ({rate('http_requests_total')})", "{{method}} {{route}}"), unit="reqps", stack=True),
            chart("Error ratio", "Share of all requests that failed (5xx) and that were refused (4xx). Good: failed at 0. The dashed line is the alert's threshold for failures.",
                  prom(share(FAILED), "failed"), prom(share(REFUSED), "refused"), unit="percentunit", limit=0.05,
                  colours={"failed": "red", "refused": "yellow"}),
        ]),
        (8, [
            chart("Response time", "Percentiles, because an average hides the slow few. They are estimated from histogram buckets and can be no finer than those. Good: p99 not far above p50. The dashed line is the alert's threshold for p95.",
                  prom(percentile(0.5), "p50"), prom(percentile(0.95), "p95"), prom(percentile(0.99), "p99"), unit="s", limit=0.5,
                  colours={"p50": "green", "p95": "orange", "p99": "red"}),
            chart("Response time by route, p95", "One slow route shows here long before it moves the figure for all of them. Good: flat lines.",
                  prom(percentile(0.95, "route"), "{{route}}"), unit="s"),
        ]),
        (2, [
            text("How a canary is judged.",
                 "**Canary against stable.** A few visitors get the new version, all others the old one, at the same time. Whatever hits both (load, a slow AWS) is no news; what hits the canary alone is the new version's fault. Few requests tell little: wait for some hundred."),
        ]),
        (8, [
            by_track("Requests: canary and stable", "How the visitors are shared. Good: the canary gets what the release says; nothing, or next to it, between releases.",
                     ASKED, "reqps"),
            by_track("Errors: canary and stable", "Share of 5xx answers of each. Good: the canary's line lies on the stable one's. If it rises alone, roll back: `python3 -m release rollback` in the storefront.",
                     f"({ASKED_AND_FAILED} or 0 * {ASKED}) / ({ASKED} > 0)", "percentunit", limit=0.05),
            by_track("Response time: canary and stable, p95", "Good: alike. A canary that just started is slow for its first requests.",
                     f"histogram_quantile(0.95, sum by (le, track) ({rate('http_request_duration_seconds_bucket', window='[1m]')}))", "s", limit=0.5),
        ]),
        (2, [
            text("What an error budget is.",
                 "**Error budget.** The objective is that 99 of 100 requests succeed. The hundredth may fail: that is the budget, to be spent on releases and experiments. A *burn rate* of 1 spends just what is allowed; 3 spends it three times too fast, and alerts. While budget is left, release; when it is gone, mend first."),
        ]),
        (8, [
            stat("Budget left", "Of the failures that the requests in the chosen time allow, the share not used yet. Good: above 25 %. Below 0 the objective was missed in this time.",
                 prom(left("$__range"), instant=True), unit="percentunit", decimals=0, steps=(("red", None), ("orange", 0.000001), ("green", 0.25)), graph=False),
            chart("Burn rate", "How many times faster than allowed failures come, over one minute and over five. Both above the dashed line fire the alert: the long one says that it matters, the short one that it still goes on. Good: below 1.",
                  prom(f"service:http_requests_errors:ratio_rate1m / {ALLOWED}", "1 minute"),
                  prom(f"service:http_requests_errors:ratio_rate5m / {ALLOWED}", "5 minutes"), unit="short", limit=3,
                  colours={"1 minute": "yellow", "5 minutes": "orange"}),
            chart("Budget left over the last hour", "The same share, looking back an hour from each moment. Good: near 100 %. A cliff is an outage; it climbs again when the outage is an hour old.",
                  prom(left("1h"), "left"), unit="percentunit", top=1, colours={"left": "green"}),
        ]),
        (8, [
            chart("Orders", "The business signal. `rejected` orders were bad, `failed` ones were our fault. Good: mostly accepted. Traffic orders nothing at times, so a few are always rejected.",
                  prom(f'sum by (result) (rate(orders_total{{{JOB}}}{RATE})) * 60', "{{result}}"), unit="opm",
                  colours={"accepted": "green", "kept": "blue", "rejected": "yellow", "failed": "red"}),
            chart("Faults on purpose", "Delays and errors that somebody switched on with `sandbox fault inject errors`. Good: flat at 0. If it is, the trouble above is real.",
                  prom(f"sum by (kind) (rate(faults_injected_total{{{JOB}}}{RATE}))", "{{kind}}"), unit="reqps"),
            chart("Memory by replica", "Resident memory of the process that answers. Good: flat. The dashboard Containers shows how near it is to its limit: above it the kernel ends the process.",
                  prom(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"), unit="bytes"),
        ]),
    ],
    [variable("version", "Version", f"label_values(app_info{{{JOB}}}, version)")],
    [RELEASES],
)  # fmt: skip
