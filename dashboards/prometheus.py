"""The whole sandbox at a glance, and whether the watchers themselves are well: both come with Prometheus."""

from __future__ import annotations

from dashboards import computer, gateway
from dashboards.panels import (
    ANSWERS,
    NONE_IS_GOOD,
    RATE,
    USED,
    Json,
    chart,
    dashboard,
    leads_to,
    prom,
    stat,
    table,
    timeline,
)

SCRAPE_TIMEOUT = 2.0  # seconds


def down(description: str, more: Json | None = None) -> Json:
    return stat("Targets down", description, prom("count(up == 0) or vector(0)"), steps=NONE_IS_GOOD, more=more)


def scrapes() -> Json:
    return chart(
        "Scrape duration",
        "How long each target takes to give its metrics. Good: a few hundredths of a second. Above the dashed line Prometheus gives up and the target counts as down.",  # noqa: E501
        prom("max by (job) (scrape_duration_seconds)", "{{job}}"),
        unit="s",
        limit=SCRAPE_TIMEOUT,
    )


OVERVIEW = dashboard(
    "overview",
    "Sandbox overview",
    "The whole sandbox at a glance. Read the top row from the left: does everything answer, is anybody harmed, is the computer at its limit? Then open the dashboard of the part that is not green.",
    ["overview"],
    [
        (4, [
            down("Services whose metrics Prometheus cannot fetch. Good: 0. A new container needs a few seconds.", leads_to("prometheus", "Targets")),
            stat("Alerts firing", "Rules whose condition has held for long enough. Good: 0. The table below says which.",
                 prom('count(ALERTS{alertstate="firing"}) or vector(0)'), steps=NONE_IS_GOOD),
            stat("Requests", "Requests a second that reach the gateway. Good: steady. The traffic service makes them: `sandbox traffic 20` changes how many. Needs `gateway`.",
                 prom(gateway.REQUESTS), unit="reqps"),
            stat("Errors", "Share of the gateway's answers that are 5xx: people who were let down. Good: below 1 %. Needs `gateway`.",
                 prom(gateway.ERRORS), unit="percentunit", decimals=2, steps=gateway.FAILING),
            stat("CPU", f"How busy all cores are together. Good: below 80 % for most of the time; short peaks are fine. {computer.NOT_YOUR_LAPTOP} Needs `node-exporter`.",
                 prom(computer.CPU), unit="percentunit", decimals=0, steps=USED),
            stat("Memory", f"What programs hold and the kernel cannot give back at once. Good: below 80 %. {computer.NOT_YOUR_LAPTOP} Needs `node-exporter`.",
                 prom(computer.MEMORY), unit="percentunit", decimals=0, steps=USED),
        ]),
        (8, [
            timeline("Services as users see them", "The blackbox exporter asks each service over HTTP, as a user would. Good: green all along. Red here with its target up means: the program runs, but does not do its work. Needs `blackbox-exporter`.",
                     prom("probe_success", "{{service}}"), ANSWERS),
            table("Alerts", "What is wrong now. `pending` has not lasted long enough yet to fire. Good: nothing. Empty when all is well.",
                  {"alertname": "Alert", "alertstate": "State", "severity": "Severity", "service": "Service", "job": "Job"},
                  "max by (alertname, alertstate, severity, service, job) (ALERTS)"),
        ]),
        (8, [
            gateway.by_answer(" Needs `gateway`."),
            chart("Response time", "How long applications take to answer, on average over the last 1024 requests: HAProxy keeps no histogram. Good: flat. An average hides the slow few; the Storefront dashboard has percentiles. Needs `gateway`.",
                  prom('haproxy_backend_response_time_average_seconds{proxy!="nothing"}', "{{proxy}}"), unit="s"),
        ]),
        (8, [
            chart("Computer", f"CPU, memory and disk in use. Good: all below 80 %. A full disk stops everything: `sandbox images prune` makes room. {computer.NOT_YOUR_LAPTOP} Needs `node-exporter`.",
                  prom(computer.CPU, "CPU"), prom(computer.MEMORY, "memory"), prom(computer.DISK, "disk"),
                  unit="percentunit", top=1, colours={"CPU": "blue", "memory": "orange", "disk": "purple"}),
            chart("Memory by service", "Memory that each program says it holds. Good: a flat line. One that only grows is a leak, and ends at the container's limit.",
                  prom("sum by (job) (process_resident_memory_bytes)", "{{job}}"), unit="bytes"),
            scrapes(),
        ]),
    ],
)  # fmt: skip

DASHBOARD = dashboard(
    "prometheus",
    "Prometheus and Alertmanager",
    "Whether the watchers themselves are well: are targets scraped, rules evaluated, alerts delivered?",
    ["metrics"],
    [
        (4, [
            stat("Targets up", "Targets that answered the last scrape. Good: all of them.", prom("count(up == 1)")),
            down("Targets that did not. Good: 0."),
            stat("Series", "Series in memory; each distinct set of labels is one. Good: steady. It explodes when a label has endless values, such as a user's id.",
                 prom("prometheus_tsdb_head_series")),
            stat("Samples", "Values stored each second: the series divided by the scrape interval. Good: steady.",
                 prom(f"sum(rate(prometheus_tsdb_head_samples_appended_total{RATE}))"), unit="cps", decimals=0),
            stat("Failed rules", "Rule evaluations that failed in the last 5 minutes. Good: 0. A rule that fails never alerts: silence is not health.",
                 prom("sum(increase(prometheus_rule_evaluation_failures_total[5m]))"), decimals=0, steps=NONE_IS_GOOD),
            stat("Lost notifications", "Alerts that did not reach Alertmanager in the last 5 minutes. Good: 0.",
                 prom("sum(increase(prometheus_notifications_dropped_total[5m]))"), decimals=0, steps=NONE_IS_GOOD),
        ]),
        (8, [
            timeline("Targets", "Scraped or not, by job. Good: green all along. `sandbox logs` of the red one says more.",
                     prom("min by (job) (up)", "{{job}}"), {"0": ("down", "red"), "1": ("up", "green")}),
            scrapes(),
        ]),
        (8, [
            chart("Samples by job", "How many values each job gives at a scrape. Good: flat. A job that grows and grows has a label with endless values.",
                  prom("sum by (job) (scrape_samples_scraped)", "{{job}}"), unit="short"),
            chart("Rule evaluation", "How long each group of rules takes. Good: far below the 5 s between evaluations.",
                  prom('label_replace(prometheus_rule_group_last_duration_seconds, "group", "$1", "rule_group", ".*;(.*)")', "{{group}}"), unit="s"),
            chart("Query time, p99", "99 of 100 queries are quicker than this, by part of the work. `inner_eval` is the computing itself, `queue_time` is waiting for a free place. Good: below 0.1 s. Empty when nobody asked anything in the last minutes.",
                  prom('prometheus_engine_query_duration_seconds{quantile="0.99"}', "{{slice}}"), unit="s"),
        ]),
        (8, [
            chart("Alerts in Alertmanager", "By state: `active` ones are told, `suppressed` ones are silenced or inhibited. Good: 0. Needs `alertmanager`.",
                  prom("sum by (state) (alertmanager_alerts)", "{{state}}"), unit="short",
                  colours={"active": "red", "suppressed": "yellow", "unprocessed": "blue"}),
            chart("Memory", "What Prometheus and Alertmanager hold. More series, more memory. Good: saw teeth, as it is freed now and then; not a slope.",
                  prom('process_resident_memory_bytes{job=~"prometheus|alertmanager"}', "{{job}}"), unit="bytes"),
            chart("Storage", "Series of the last two hours are in memory and in the write-ahead log; older ones are in blocks. Good: levels off, as they are kept for 7 days, or until 512 MB.",
                  prom("prometheus_tsdb_storage_blocks_bytes", "blocks"), prom("prometheus_tsdb_wal_storage_size_bytes", "write-ahead log"),
                  prom("prometheus_tsdb_head_chunks_storage_size_bytes", "head chunks"), unit="bytes", stack=True),
        ]),
    ],
)  # fmt: skip
