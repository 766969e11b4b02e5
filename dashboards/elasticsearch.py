"""Elasticsearch, by its exporter: is it well, does it keep up, when is it full?"""

from __future__ import annotations

from dashboards.panels import NONE_IS_GOOD, RATE, USED, chart, dashboard, leads_to, prom, stat, timeline

HEAP = 'elasticsearch_jvm_memory_used_bytes{area="heap"} / elasticsearch_jvm_memory_max_bytes{area="heap"}'
DISK = "1 - elasticsearch_filesystem_data_available_bytes / elasticsearch_filesystem_data_size_bytes"
INDEXED = f"sum(rate(elasticsearch_indices_indexing_index_total{RATE}))"
SEARCHED = f"sum(rate(elasticsearch_indices_search_query_total{RATE}))"
REJECTED = "sum(increase(elasticsearch_thread_pool_rejected_count[$__range]))"
STATES = {"0": ("red", "red"), "1": ("yellow", "yellow"), "2": ("green", "green")}
HEALTH = (
    'max(2 * elasticsearch_cluster_health_status{color="green"}'
    ' + on () elasticsearch_cluster_health_status{color="yellow"})'
)


DASHBOARD = dashboard(
    "elasticsearch",
    "Elasticsearch",
    "The log store of the Elastic stack, one node: is it well, does it keep up with the lines, when is it full?",
    ["logs"],
    [
        (4, [
            stat("Documents", "What can be found. Good: grows with the lines, and shrinks when old indices are deleted.",
                 prom("sum(elasticsearch_indices_docs)"), more=leads_to("logs-elastic", "Logs pipeline")),
            stat("Indexed", "Documents a second that are stored. Good: moves with the visitors.", prom(INDEXED), unit="cps"),
            stat("Heap", "How much of Java's memory is used. Good: saw teeth below 75 %. Above it, Java collects garbage all the time.",
                 prom(f"max({HEAP})"), unit="percentunit", decimals=0, steps=(("green", None), ("orange", 0.75), ("red", 0.9))),
            stat("Disk", "Share of its disk in use, by anybody. Good: below 80 %. With 500 MB left it becomes read-only.",
                 prom(f"max({DISK})"), unit="percentunit", decimals=0, steps=USED),
            stat("Unassigned shards", "Shards that no node holds. Good: 0. On one node, replicas have no place: an index that wants some is yellow.",
                 prom("max(elasticsearch_cluster_health_unassigned_shards)"), steps=(("green", None), ("orange", 1))),
            stat("Rejected", "Requests turned away in the chosen time, as queues were full. Good: 0. Logstash sends them again.",
                 prom(REJECTED, instant=True), decimals=0, steps=NONE_IS_GOOD, graph=False),
        ]),
        (4, [
            timeline("Health", "Green: all is there. Yellow: replicas are missing. Red: some documents cannot be found or stored. Good: green; yellow is harmless on one node.",
                     prom(HEALTH, "cluster"), STATES),
        ]),
        (8, [
            chart("Indexed and searched", "Documents stored and searches answered, a second. Good: moves with the visitors, and with who looks.",
                  prom(INDEXED, "indexed"), prom(SEARCHED, "searches"), unit="cps"),
            chart("Time to store one", "What storing one document takes, on average. Good: below 1 ms. It rises when the disk is slow. Empty when nothing is stored.",
                  prom(f"sum(rate(elasticsearch_indices_indexing_index_time_seconds_total{RATE})) / {INDEXED}", "store"), unit="s"),
            chart("Time to search", "What one search takes in one shard, on average. Good: below 0.1 s. Empty when nobody searches.",
                  prom(f"sum(rate(elasticsearch_indices_search_query_time_seconds{RATE})) / {SEARCHED}", "search"), unit="s"),
        ]),
        (8, [
            chart("Heap", "Java's memory. Good: saw teeth; each drop is a garbage collection. Teeth that end higher each time: too little memory.",
                  prom('elasticsearch_jvm_memory_used_bytes{area="heap"}', "used"), prom('elasticsearch_jvm_memory_max_bytes{area="heap"}', "there is"),
                  unit="bytes", colours={"used": "orange", "there is": "blue"}),
            chart("Garbage collection", "Share of the time in which Java does nothing else. Good: below 5 %.",
                  prom(f"sum by (gc) (rate(elasticsearch_jvm_gc_collection_seconds_sum{RATE}))", "{{gc}}"), unit="percentunit", limit=0.05),
            chart("CPU", "Of all cores. Good: moves with what is stored and searched.",
                  prom("elasticsearch_process_cpu_percent / 100", "{{name}}"), unit="percentunit", top=1),
        ]),
        (8, [
            chart("Largest data streams", "The ten indices that take the most room. Good: even. A service that takes it all writes too much.",
                  prom("topk(10, elasticsearch_indices_store_size_bytes_total)", "{{index}}"), unit="bytes", stack=True),
            chart("Waiting requests", "Requests that wait for a thread, by kind. Good: 0 for most of the time.",
                  prom('elasticsearch_thread_pool_queue_count{type=~"write|search|get|management"}', "{{type}}"), unit="short"),
            chart("Circuit breakers", "Requests refused, as they would have used up the memory. Good: flat at 0.",
                  prom(f"sum by (breaker) (rate(elasticsearch_breakers_tripped{RATE}))", "{{breaker}}"), unit="cps"),
        ]),
    ],
)  # fmt: skip
