"""/prometheus: the names and labels of Jenkins' Prometheus plugin, and of its Metrics plugin, from the store."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.ci.server.stages import Stages
from sandbox.ci.store import Build, Item, now

if TYPE_CHECKING:
    from sandbox.ci.server.server import Server

ORDINALS = {"SUCCESS": 0, "UNSTABLE": 1, "FAILURE": 2, "NOT_BUILT": 3, "ABORTED": 4}
JOBS = "default_jenkins_builds_"
Sample = tuple[Mapping[str, str], float]


class Page:
    """Lines of the text format."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, name: str, kind: str, help: str, samples: Iterable[Sample]) -> None:
        found = list(samples)
        if found:
            self._lines += [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
            self._lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in found]

    def summary(self, name: str, help: str, samples: Iterable[tuple[Mapping[str, str], float, float]]) -> None:
        """(labels, count, sum) each."""
        found = list(samples)
        if found:
            self._lines += [f"# HELP {name} {help}", f"# TYPE {name} summary"]
            for labels, count, total in found:
                self._lines.append(f"{name}_count{_labels(labels)} {_number(count)}")
                self._lines.append(f"{name}_sum{_labels(labels)} {_number(total)}")

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def metrics(server: Server) -> str:
    """All metrics as text."""
    page = Page()
    _server(page, server)
    _executors(page, server)
    items = [item for item in server.store.items() if not item.holds_items]
    _jobs(page, server, items)
    return page.text()


def _server(page: Page, server: Server) -> None:
    from sandbox.ci.server.server import VERSION

    page.add("default_jenkins_up", "gauge", "Is Jenkins ready to receive requests", [({}, 1)])
    page.add(
        "default_jenkins_uptime",
        "gauge",
        "Time since Jenkins was initialized",
        [({}, 1000 * (time.time() - server.started))],
    )
    page.add("default_jenkins_version_info", "gauge", "Jenkins Application Version", [({"version": VERSION}, 1)])
    page.add("default_jenkins_quietdown", "gauge", "Is Jenkins in quiet mode", [({}, server.scheduler.quieting)])
    agents = server.agents.all()
    online = [
        ({"node": "(built-in)" if agent.name == "built-in" else agent.name}, float(not agent.offline))
        for agent in agents
    ]
    page.add("default_jenkins_nodes_online", "gauge", "Jenkins nodes online status", online)
    disk = shutil.disk_usage(server.home.root)
    store = {"file_store": "home"}
    page.add("default_jenkins_file_store_capacity_bytes", "gauge", "Size of the file store", [(store, disk.total)])
    page.add(
        "default_jenkins_file_store_available_bytes", "gauge", "Free space of the file store", [(store, disk.free)]
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    page.add("process_cpu_seconds_total", "counter", "CPU time of the server", [({}, usage.ru_utime + usage.ru_stime)])
    page.add("process_start_time_seconds", "gauge", "Start of the server", [({}, server.started)])
    page.add("process_resident_memory_bytes", "gauge", "Memory of the server, without Groovy's", [({}, _resident())])


def _executors(page: Page, server: Server) -> None:
    agents = server.agents.all()
    total = float(sum(len(agent.slots) for agent in agents))
    online = float(server.agents.capacity)
    busy = float(sum(agent.busy for agent in agents))
    waiting = server.scheduler.waiting()
    buildable = float(sum(each.state == "buildable" for each in waiting))
    all_labels = {"label": ""}
    for name, value in {
        "available": online - busy,
        "busy": busy,
        "connecting": 0,
        "defined": total,
        "idle": online - busy,
        "online": online,
        "queue_length": buildable,
    }.items():
        page.add(f"default_jenkins_executors_{name}", "gauge", f"Executors: {name}", [(all_labels, value)])
    now_ms = now()
    for name, value in {
        "jenkins_executor_count_value": total,
        "jenkins_executor_free_value": online - busy,
        "jenkins_executor_in_use_value": busy,
        "jenkins_node_count_value": len(agents),
        "jenkins_node_offline_value": sum(agent.offline for agent in agents),
        "jenkins_node_online_value": sum(not agent.offline for agent in agents),
        "jenkins_queue_size_value": len(waiting),
        "jenkins_queue_blocked_value": sum(each.state == "blocked" for each in waiting),
        "jenkins_queue_buildable_value": buildable,
        "jenkins_queue_pending_value": 0,
        "jenkins_queue_stuck_value": sum(now_ms - each.queued.since > 300_000 for each in waiting),
        "jenkins_runs_running_value": len(server.scheduler.running()),
    }.items():
        page.add(name, "gauge", name.removesuffix("_value").replace("_", " "), [({}, float(value))])


def _jobs(page: Page, server: Server, items: Sequence[Item]) -> None:
    from sandbox.ci.server.beans import Beans

    store, beans = server.store, Beans(server, "/")
    page.add("jenkins_job_count_value", "gauge", "jenkins job count", [({}, len(items))])
    counts = {item.id: store.counts(item.id) for item in items}
    labels = {item.id: _job_labels(item) for item in items}

    def ended(*results: str) -> list[Sample]:
        return [
            (labels[item.id], float(sum(count for result, (count, _) in counts[item.id].items() if result in results)))
            for item in items
            if counts[item.id]
        ]

    page.add(f"{JOBS}success_build_count_total", "counter", "Successful build count", ended("SUCCESS"))
    page.add(f"{JOBS}failed_build_count_total", "counter", "Failed build count", ended("FAILURE"))
    page.add(f"{JOBS}unstable_build_count_total", "counter", "Unstable build count", ended("UNSTABLE"))
    page.add(f"{JOBS}aborted_build_count_total", "counter", "Aborted build count", ended("ABORTED"))
    every = ("SUCCESS", "FAILURE", "UNSTABLE", "ABORTED")
    page.add(f"{JOBS}total_build_count_total", "counter", "Total build count (excluding not_built)", ended(*every))
    page.summary(
        f"{JOBS}duration_milliseconds_summary",
        "Summary of Jenkins build times in milliseconds by Job",
        [
            (
                labels[item.id],
                sum(n for n, _ in counts[item.id].values()),
                sum(ms for _, ms in counts[item.id].values()),
            )
            for item in items
            if counts[item.id]
        ],
    )
    scores = [(labels[item.id], float(health[0]["score"])) for item in items if (health := beans.health(item))]
    page.add(f"{JOBS}health_score", "gauge", "Health score of a job", scores)
    available = [(labels[item.id], float(store.build_count(item.id))) for item in items]
    page.add(f"{JOBS}available_builds_count", "gauge", "Builds that are available for the job", available)
    discarding = [(labels[i.id], float(server.scheduler.definition(i).declared.keep_builds > 0)) for i in items]
    page.add(f"{JOBS}discard_active", "gauge", "Is the build discard feature active for the job", discarding)
    running = [
        (labels[build.item.id], float(now() - build.record.started))
        for build in server.scheduler.running()
        if build.item.id in labels
    ]
    page.add(f"{JOBS}running_build_duration_milliseconds", "gauge", "Runtime of the current build", dict_of(running))
    last = [(item, build) for item in items if (build := store.find_build(item.id, "building = 0"))]
    _last_builds(page, server, last, labels)


def dict_of(samples: Iterable[Sample]) -> list[Sample]:
    """One sample for each set of labels: the greatest."""
    best: dict[tuple[tuple[str, str], ...], float] = {}
    for labels, value in samples:
        key = tuple(labels.items())
        best[key] = max(best.get(key, value), value)
    return [(dict(key), value) for key, value in best.items()]


def _last_builds(page: Page, server: Server, last: Sequence[tuple[Item, Build]], labels: Mapping[int, Any]) -> None:
    def each(value: Any, only: Any = lambda build: True) -> list[Sample]:
        return [(labels[item.id], float(value(build))) for item, build in last if only(build)]

    name = f"{JOBS}last_"
    ordinal = "Build status of the last build (0=SUCCESS,1=UNSTABLE,2=FAILURE,3=NOT_BUILT,4=ABORTED)"
    page.add(f"{name}build_result_ordinal", "gauge", ordinal, each(lambda b: ORDINALS.get(b.result, 3)))
    good = "Whether the last build was SUCCESS or UNSTABLE"
    page.add(f"{name}build_result", "gauge", good, each(lambda b: b.result in ("SUCCESS", "UNSTABLE")))
    page.add(f"{name}build_duration_milliseconds", "gauge", "Build time of the last build", each(lambda b: b.duration))
    page.add(f"{name}build_start_time_milliseconds", "gauge", "Start of the last build", each(lambda b: b.started))
    tested = [
        ("total", lambda b: b.passed + b.failed + b.skipped),
        ("skipped", lambda b: b.skipped),
        ("failing", lambda b: b.failed),
    ]
    for what, value in tested:
        help = f"Tests of the last build: {what}"
        page.add(f"{name}build_tests_{what}", "gauge", help, each(value, lambda b: b.has_tests))
    stages = Stages(server)
    page.summary(
        f"{name}stage_duration_milliseconds_summary",
        "Summary of Jenkins build times by Job and Stage in the last build",
        [
            ({**labels[item.id], "stage": stage}, 1, total)
            for item, build in last
            for stage, total in _stage_times(stages, item, build).items()
        ],
    )


def _stage_times(stages: Stages, item: Item, build: Build) -> dict[str, float]:
    times: dict[str, float] = {}
    for node in stages.nodes(item, build):
        if node["kind"] == "stage" and node["ended"]:
            times[node["name"]] = times.get(node["name"], 0) + node["ended"] - node["started"]
    return times


def _job_labels(item: Item) -> dict[str, str]:
    parts = item.path.split("/")
    return {
        "jenkins_job": item.path,
        "repo": parts[1] if len(parts) > 2 else "NA",
        "buildable": str(not item.disabled).lower(),
    }


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(escaped) + "}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _resident() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
