"""Logs pipeline: what the containers write, as the log store has it."""

from __future__ import annotations

from dashboards.panels import chart, count, dashboard, logs, prom, timeline

LEVELS = {"debug": "text", "info": "green", "warning": "yellow", "error": "red", "critical": "purple"}
DASHBOARD = dashboard(
    "logs",
    "Logs pipeline",
    "From the containers to the log store: how many lines come, from whom, and what they complain of.",
    ["logs"],
    [
        (4, [
            timeline("Log store", "Red is when it did not answer: lines then wait in Docker's files, and none is lost. Good: green all along.",
                     prom('up{job="logstore"}', "{{job}}"), {"0": ("down", "red"), "1": ("up", "green")}),
        ]),
        (8, [
            chart("Lines by service", "Lines found, by who wrote them. Good: moves with the visitors. A service that goes silent may hang; one that is suddenly loud is in trouble.",
                  count("*", "service.name"), unit="short", stack=True),
            chart("Lines by level", "Good: nearly all green. Lines without a level are not counted.",
                  count("log.level:*", "log.level"), unit="short", stack=True, colours=LEVELS),
        ]),
        (8, [
            chart("Errors by service", "Lines of the levels error and critical. Good: none. Empty when nothing failed in the chosen time.",
                  count("log.level:(error OR critical)", "service.name"), unit="short"),
            chart("Answers by status", "The gateway's access log. Good: 200 and 201. Compare it with the Gateway dashboard: metrics say how many, logs say which.",
                  count("service.name:gateway AND http.response.status_code:*", "http.response.status_code"), unit="short", stack=True),
        ]),
        (10, [
            logs("Newest errors", "Take a `trace.id` from here and search for it: all lines of one order share it. Empty when nothing failed in the chosen time.",
                 "log.level:(error OR critical)"),
        ]),
    ],
)  # fmt: skip
