"""Logs pipeline: what the containers write, as the log store has it. Two of them, as there are two log stores."""

from __future__ import annotations

from dashboards import elasticsearch
from dashboards.panels import NONE_IS_GOOD, RATE, USED, chart, count, dashboard, leads_to, logs, prom, stat, timeline

LEVELS = {"debug": "text", "info": "green", "warning": "yellow", "error": "red", "critical": "purple"}
UP = {"0": ("down", "red"), "1": ("up", "green")}
TITLE = "Logs pipeline"
ABOUT = "From the containers to the log store: how many lines come, from whom, and what they complain of."
# What the log store itself finds, whichever of the two it is.
LINES = [
    (8, [
        chart("Lines by service", "Lines found, by who wrote them. Good: moves with the visitors. A service that goes silent may hang; one that is suddenly loud is in trouble.",
              count("*", "service.name"), unit="short", stack=True),
        chart("Lines by level", "Good: nearly all green. Lines without a level are not counted.",
              count("log.level:*", "log.level"), unit="short", stack=True, colours=LEVELS),
    ]),
    (8, [
        chart("Errors by service", "Lines of the levels error and critical. Good: none. Empty when nothing failed in the chosen time.",
              count("log.level:(error OR critical)", "service.name"), unit="short"),
        chart("Answers by status", "The gateway's access log. Good: 200 and 201. Compare it with the Gateway dashboard: metrics say how many, logs say which. Needs `gateway`.",
              count("service.name:gateway AND http.response.status_code:*", "http.response.status_code"), unit="short", stack=True),
    ]),
    (10, [
        logs("Newest errors", "Take a `trace.id` from here and search for it: all lines of one order share it. Good: none. Empty when nothing failed in the chosen time.",
             "log.level:(error OR critical)"),
    ]),
]  # fmt: skip

DASHBOARD = dashboard(
    "logs",
    TITLE,
    ABOUT,
    ["logs"],
    [
        (4, [
            stat("Lines", "Lines that can be found. Good: grows with the visitors, until the oldest are deleted.", prom("sum(logstore_documents)")),
            stat("Arriving", "Lines a second that the shipper brought. Good: above 0; with no line at all it, or the store, is stuck.",
                 prom("sum(rate(shipper_lines_total[1m]))"), unit="cps", decimals=1),
            stat("Lost", "Lines that the store would take in no form, since the shipper began. Good: 0. `sandbox logs shipper` tells each, and why.",
                 prom("sum(shipper_lost_total) or vector(0)"), steps=NONE_IS_GOOD),
            stat("Disk", "How full the store's part of the disk is. Good: below 80 %. Full, it deletes an eighth, the oldest first.",
                 prom("max(logstore_disk_bytes / logstore_disk_limit_bytes)"), unit="percentunit", decimals=0, steps=USED),
            stat("Takes lines", "Whether the store can write. Good: 1. Else the shipper waits and sends again: no line is lost.",
                 prom("min(logstore_writable)"), steps=(("red", None), ("green", 1)), graph=False),
        ]),
        (4, [
            timeline("Log store", "Red is when it did not answer: lines then wait in Docker's files, and none is lost. Good: green all along.",
                     prom('up{job="logstore"}', "{{job}}"), UP),
        ]),
        *LINES,
        (8, [
            chart("Ways in", "Lines a second: read from the containers, or sent by HTTP, TCP, syslog or GELF. Good: moves with the visitors.",
                  prom("sum by (way) (rate(shipper_lines_total[1m]))", "{{way}}"), unit="cps", stack=True),
            chart("Trouble on the way", "`again`: requests that the store did not answer well, and that were made again. `plain`: lines whose fields did not fit, kept as text. `lost`: taken in no form. Good: 0.",
                  prom("sum(rate(shipper_failures_total[1m])) or vector(0)", "again"), prom("sum(rate(shipper_refused_total[1m])) or vector(0)", "plain"),
                  prom("sum(rate(shipper_lost_total[1m])) or vector(0)", "lost"), unit="cps",
                  colours={"again": "yellow", "plain": "orange", "lost": "red"}),
        ]),
        (8, [
            chart("Lines kept", "Good: a steady slope. Flat means that no lines come; a step down, that the oldest were deleted.",
                  prom("logstore_documents", "lines"), unit="short"),
            chart("Disk", "What the lines take, and what they may take (`LOGSTORE_DISK`). Good: below the limit.",
                  prom("logstore_disk_bytes", "used"), prom("logstore_disk_limit_bytes", "there is"), unit="bytes",
                  colours={"used": "orange", "there is": "blue"}),
        ]),
    ],
)  # fmt: skip

ELASTIC = dashboard(
    "logs-elastic",
    f"{TITLE}, Elastic",
    f"{ABOUT} Filebeat reads the containers' files, Logstash makes documents of the lines, Elasticsearch keeps them.",
    ["logs"],
    [
        (4, [
            stat("Lines", "Lines that can be found. Good: grows with the visitors, until old indices are deleted.",
                 prom("sum(elasticsearch_indices_docs)"), more=leads_to("elasticsearch", "Elasticsearch")),
            stat("Arriving", "Lines a second that are stored. Good: above 0; with no line at all Filebeat or Logstash is stuck.",
                 prom(f"sum(rate(elasticsearch_indices_indexing_index_total{RATE}))"), unit="cps", decimals=1),
            stat("Rejected", "Requests turned away in the chosen time, as queues were full. Good: 0. Logstash sends them again.",
                 prom(elasticsearch.REJECTED, instant=True), decimals=0, steps=NONE_IS_GOOD, graph=False),
        ]),
        (4, [
            timeline("Log store", "Red is when Elasticsearch did not answer: lines then wait in Docker's files, and none is lost. Good: green all along.",
                     prom("max(elasticsearch_clusterinfo_up)", "elasticsearch"), UP),
        ]),
        *LINES,
    ],
)  # fmt: skip
