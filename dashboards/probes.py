"""Services from outside: what the blackbox exporter meets at each service's door."""

from __future__ import annotations

from dashboards.panels import ANSWERS, ONE_IS_GOOD, chart, dashboard, prom, stat, table, timeline, variable

SERVICE = '{service=~"$service"}'

DASHBOARD = dashboard(
    "probes",
    "Services from outside",
    "What users meet at each service's door, the AWS emulator's included: is there an answer, how fast, and which? The blackbox exporter asks; the services' own metrics have no say.",
    ["probes"],
    [
        (4, [
            stat("Answering", "Services that answer well now. Good: all of those asked, which the next number tells.",
                 prom(f"sum(probe_success{SERVICE})"), steps=ONE_IS_GOOD, graph=False),
            stat("Asked", "Services that are asked, each every 2 s. Good: steady; a service that leaves the sandbox is asked no more.",
                 prom(f"count(probe_success{SERVICE})"), graph=False),
            stat("Answering over this time", "Share of the questions in the chosen time that were answered well: availability as users mean it. Good: above 99 %.",
                 prom(f"avg(avg_over_time(probe_success{SERVICE}[$__range]))", instant=True), unit="percentunit", decimals=2,
                 steps=(("red", None), ("orange", 0.95), ("green", 0.99)), graph=False),
            stat("Slowest answer", "The longest a service took just now. Good: below 0.5 s; the exporter gives up after 2 s.",
                 prom(f"max(probe_duration_seconds{SERVICE})"), unit="s", steps=(("green", None), ("orange", 0.5), ("red", 1.5))),
        ]),
        (7, [
            timeline("Answers", "Red is when users got no good answer. Good: green all along. Red with the service's own metrics still there means: the program runs, but does not do its work.",
                     prom(f"probe_success{SERVICE}", "{{service}}"), ANSWERS),
        ]),
        (8, [
            chart("Time to answer", "From asking for the name to the last byte, by service. Good: flat. A rise at all services at once is the computer, at one the service.",
                  prom(f"probe_duration_seconds{SERVICE}", "{{service}}"), unit="s"),
            chart("Where the time goes", "The mean over the services of each phase: finding the name, connecting, waiting for the work (processing), reading the answer. Good: nearly all is processing.",
                  prom(f"avg by (phase) (probe_http_duration_seconds{SERVICE})", "{{phase}}"), unit="s", stack=True),
        ]),
        (8, [
            table("Answers now", "Status and size of the last answer. Good: 200; a 0 means that no answer came at all.",
                  {"service": "Service", "instance": "Asked at", "Value #A": "Status", "Value #B": "Size"},
                  f"max by (service, instance) (probe_http_status_code{SERVICE})",
                  f"max by (service, instance) (probe_http_content_length{SERVICE} >= 0 or probe_http_uncompressed_body_length{SERVICE})",
                  units={"Size": "bytes"}, steps={"Status": (("red", None), ("green", 200), ("orange", 300), ("red", 500))}),
        ]),
    ],
    [variable("service", "Service", "label_values(probe_success, service)")],
)  # fmt: skip
