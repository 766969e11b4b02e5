"""Containers: what each of this sandbox's containers uses, by cAdvisor's names."""

from __future__ import annotations

from dashboards.panels import NONE_IS_GOOD, USED, bars, chart, dashboard, prom, stat, table, variable

OURS = '{project=~"$project", service=~"$service"}'
WORKING_SET = f"max by (name) (container_memory_working_set_bytes{OURS})"
OF_LIMIT = f"{WORKING_SET} / (max by (name) (container_spec_memory_limit_bytes{OURS}) > 0)"
HEALTH = {"1": ("healthy", "green"), "0": ("unhealthy", "red"), "-1": ("no verdict", "text")}
UNCOUNTED = "Empty when the engine's kernel does not count it."


def rate(metric: str) -> str:
    """Over so long a time that the exporter, which looks every 2 s at best, has looked several times."""
    return f"sum by (name) (rate({metric}{OURS}[20s]))"


DASHBOARD = dashboard(
    "containers",
    "Containers",
    "What each container of this sandbox uses, and how near it is to its limits. Other containers of this computer are not here.",
    ["metrics", "use"],
    [
        (4, [
            stat("Running", "Containers that run now. Good: steady. `sandbox status` says which service is missing.",
                 prom(f"count({WORKING_SET})")),
            stat("Unhealthy", "Containers whose health check fails. Good: 0. The table below says which; `sandbox logs` says why.",
                 prom(f"count(container_health_state{OURS} == 0) or vector(0)"), steps=NONE_IS_GOOD),
            stat("Restarts", "Containers that began anew in the chosen time: their CPU counters start again at 0. Good: 0, unless you restarted something.",
                 prom(f"sum(resets(container_cpu_usage_seconds_total{OURS}[$__range]))", instant=True), steps=NONE_IS_GOOD, graph=False),
            stat("CPU", "Cores that all containers use together. Good: below the number of cores, which the dashboard Computer shows.",
                 prom(f"sum({rate('container_cpu_usage_seconds_total')})"), decimals=2),
            stat("Memory", "What all containers hold together. Good: steady. This is what the sandbox costs your computer.",
                 prom(f"sum({WORKING_SET})"), unit="bytes"),
            stat("Nearest to its limit", "The container that uses the largest share of its memory limit. Good: below 80 %. At 100 % the kernel ends it.",
                 prom(f"max({OF_LIMIT})"), unit="percentunit", decimals=0, steps=USED),
        ]),
        (9, [
            chart("Memory", "The working set: memory that cannot be given back at once. Good: flat lines. One that only grows is a leak.",
                  prom(WORKING_SET, "{{name}}"), unit="bytes"),
            bars("Memory of its limit", "How much of its memory limit each container uses now. Good: below 80 %. `sandbox config` shows the setting that raises a limit.",
                 prom(f"sort_desc({OF_LIMIT})", "{{name}}", instant=True), unit="percentunit", top=1, steps=USED),
        ]),
        (8, [
            chart("CPU", "Cores in use, by container. Good: moves with the visitors. A flat line at one core is a program that is stuck in a loop.",
                  prom(rate("container_cpu_usage_seconds_total"), "{{name}}"), unit="short", stack=True),
            chart("Threads", "Threads inside each container. Good: flat. Workers and connections that are never given back show here.",
                  prom(f"max by (name) (container_threads{OURS})", "{{name}}"), unit="short"),
        ]),
        (8, [
            chart("Received", "Bytes a second from the network. Good: moves with the visitors.",
                  prom(rate("container_network_receive_bytes_total"), "{{name}}"), unit="Bps"),
            chart("Sent", "Bytes a second to the network. Good: moves with the visitors. Prometheus fetches from all, so all send a little.",
                  prom(rate("container_network_transmit_bytes_total"), "{{name}}"), unit="Bps"),
            chart("Read from disk", f"Bytes a second. Good: near 0 once all runs, as files stay in memory. {UNCOUNTED}",
                  prom(rate("container_fs_reads_bytes_total"), "{{name}}"), unit="Bps"),
            chart("Written to disk", f"Bytes a second. Good: small and steady; the log store and Prometheus write most. {UNCOUNTED}",
                  prom(rate("container_fs_writes_bytes_total"), "{{name}}"), unit="Bps"),
        ]),
        (10, [
            table("Containers", "Every container that runs now. Good: all healthy; one that just started has no verdict yet.",
                  {"name": "Container", "service": "Service", "image": "Image", "Value #A": "Health", "Value #B": "Memory",
                   "Value #C": "Memory limit"},
                  *(f"max by (name, service, image) ({metric}{OURS})" for metric in
                    ("container_health_state", "container_memory_working_set_bytes", "container_spec_memory_limit_bytes")),
                  units={"Memory": "bytes", "Memory limit": "bytes"}, largest_first="Memory", states={"Health": HEALTH}),
        ]),
    ],
    [
        variable("project", "Project", "label_values(container_memory_usage_bytes, project)"),
        variable("service", "Service", "label_values(container_memory_usage_bytes, service)"),
    ],
)  # fmt: skip
