"""Stages as the stage view's API (wfapi) tells them, from a running build or from its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.ci.model import Parameter
from sandbox.ci.server import log
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.beans import artifacts
from sandbox.ci.server.home import read_json
from sandbox.ci.server.parameters import PARAMETERS
from sandbox.ci.store import Build, Item, now

if TYPE_CHECKING:
    from sandbox.ci.server.server import Server

# What wfapi calls what Jenkins otherwise calls FAILURE and NOT_BUILT.
STATUSES = {"FAILURE": "FAILED", "NOT_BUILT": "NOT_EXECUTED"}
LOG_BYTES = 150 * 1024


class Stages:
    def __init__(self, server: Server) -> None:
        self._server = server

    def nodes(self, item: Item, build: Build) -> list[dict[str, Any]]:
        """Every node of a build, in the order in which they began."""
        running = self._server.scheduler.running_build(build.id)
        if running:
            return [asdict(node) for node in list(running.flow.nodes.values())]
        nodes = read_json(self._server.home.build(item.id, build.number) / "flow.json", [])
        return list(nodes)

    def run(self, item: Item, build: Build) -> dict[str, Any]:
        nodes = self.nodes(item, build)
        href = f"/{job_path(item.path)}{build.number}/"
        links: dict[str, Any] = {"self": {"href": f"{href}wfapi/describe"}}
        pending = self._questions(build)
        if pending:
            links["pendingInputActions"] = {"href": f"{href}wfapi/pendingInputActions"}
        if next(artifacts(self._server.home.build(item.id, build.number)), None):
            links["artifacts"] = {"href": f"{href}wfapi/artifacts"}
        end = build.started + build.duration if not build.building else now()
        status = STATUSES.get(build.result, build.result) if not build.building else "IN_PROGRESS"
        return {
            "_links": links,
            "id": str(build.number),
            "name": build.display_name or f"#{build.number}",
            "status": "PAUSED_PENDING_INPUT" if pending else status,
            "startTimeMillis": build.started,
            "endTimeMillis": end,
            "durationMillis": end - build.started,
            "queueDurationMillis": max(0, build.started - build.queued),
            "pauseDurationMillis": sum(_paused(node) for node in nodes),
            "stages": [self._stage(href, node) for node in nodes if node["kind"] != "step"],
        }

    def node(self, item: Item, build: Build, id: str) -> dict[str, Any] | None:
        nodes = self.nodes(item, build)
        found = next((node for node in nodes if node["id"] == id), None)
        if found is None:
            return None
        href = f"/{job_path(item.path)}{build.number}/"
        steps = [node for node in nodes if node["kind"] == "step" and _is_below(node, id, nodes)]
        return {**self._stage(href, found), "stageFlowNodes": [self._step(href, step) for step in steps]}

    def log(self, item: Item, build: Build, id: str) -> dict[str, Any] | None:
        """The log of a step, or of all the steps of a stage."""
        nodes = self.nodes(item, build)
        found = next((node for node in nodes if node["id"] == id), None)
        if found is None:
            return None
        below = (
            [found]
            if found["kind"] == "step"
            else [n for n in nodes if n["kind"] == "step" and _is_below(n, id, nodes)]
        )
        folder = self._server.home.build(item.id, build.number)
        parts, left, whole = [], LOG_BYTES, 0
        for start, end in _merged([tuple(node["log"]) for node in below]):
            end = end or log.size(folder)
            whole += end - start
            parts.append(log.read(folder, start, max(0, min(left, end - start))))
            left -= len(parts[-1])
        return {
            "nodeId": id,
            "nodeStatus": STATUSES.get(found["status"], found["status"]),
            "length": whole,
            "hasMore": whole > LOG_BYTES,
            "text": b"".join(parts).decode("utf-8", "replace"),
            "consoleUrl": f"/{job_path(item.path)}{build.number}/execution/node/{id}/log",
        }

    def pending(self, item: Item, build: Build) -> list[dict[str, Any]]:
        base = f"/{job_path(item.path)}{build.number}/"
        return [
            {
                "id": question.input.id,
                "proceedText": question.input.ok,
                "message": question.input.message,
                "inputs": [_input(parameter) for parameter in question.input.parameters],
                "proceedUrl": f"{base}wfapi/inputSubmit?inputId={quote(question.input.id, safe='')}",
                "abortUrl": f"{base}input/{quote(question.input.id, safe='')}/abort",
                "redirectApprovalUrl": f"{base}input/",
            }
            for question in self._questions(build)
        ]

    def artifacts(self, item: Item, build: Build) -> list[dict[str, Any]]:
        base = f"/{job_path(item.path)}{build.number}/artifact/"
        return [
            {
                "id": f"n{index}",
                "name": path.name,
                "path": str(relative),
                "url": base + quote(str(relative)),
                "size": path.stat().st_size,
            }
            for index, (path, relative) in enumerate(artifacts(self._server.home.build(item.id, build.number)), 1)
        ]

    def changes(self, item: Item, build: Build) -> list[dict[str, Any]]:
        commits = read_json(self._server.home.build(item.id, build.number) / "changes.json", [])
        if not commits:
            return []
        told = [
            {
                "commitId": commit.get("id", ""),
                "commitUrl": "",
                "message": commit.get("message", ""),
                "authorJenkinsId": commit.get("author", ""),
                "timestamp": commit.get("timestamp", 0),
                "consoleUrl": f"/{job_path(item.path)}changes#{commit.get('id', '')}",
            }
            for commit in commits
        ]
        return [{"kind": "git", "commitCount": len(told), "commits": told}]

    def _questions(self, build: Build) -> list[Any]:
        running = self._server.scheduler.running_build(build.id)
        return list(running.questions.values()) if running else []

    def _stage(self, href: str, node: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **self._step(href, node),
            "pauseDurationMillis": _paused(node),
            "type": node["kind"],
            "parent": node["parent"],
        }

    def _step(self, href: str, node: Mapping[str, Any]) -> dict[str, Any]:
        base = f"{href}execution/node/{node['id']}/wfapi/"
        end = node["ended"] or now()
        told = {
            "_links": {"self": {"href": f"{base}describe"}, "log": {"href": f"{base}log"}},
            "id": node["id"],
            "name": node["name"],
            "execNode": "",
            "status": STATUSES.get(node["status"], node["status"]),
            "startTimeMillis": node["started"],
            "durationMillis": max(0, end - node["started"]) if node["started"] else 0,
            "pauseDurationMillis": 0,
        }
        if node["detail"]:
            told["parameterDescription"] = node["detail"]
        if node["error"]:
            told["error"] = {"message": node["error"], "type": "hudson.AbortException"}
        if node["kind"] == "step":
            told["parentNodes"] = [node["parent"]]
        return told


def _paused(node: Mapping[str, Any]) -> int:
    return now() - int(node["started"]) if node["status"] == "PAUSED_PENDING_INPUT" else 0


def _is_below(node: Mapping[str, Any], id: str, nodes: Sequence[Mapping[str, Any]]) -> bool:
    parents = {each["id"]: each["parent"] for each in nodes}
    at = node["parent"]
    seen = set()
    while at and at not in seen:
        if at == id:
            return True
        seen.add(at)
        at = parents.get(at, "")
    return False


def _merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges of a log without what they share; an end of 0 is still open."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if start == end:
            continue
        if merged and (not merged[-1][1] or start <= merged[-1][1]):
            last = merged[-1]
            merged[-1] = (last[0], 0 if not end or not last[1] else max(last[1], end))
        else:
            merged.append((start, end))
    return merged


def _input(parameter: Parameter) -> dict[str, Any]:
    definition: dict[str, Any] = {"defaultVal": parameter.default}
    if parameter.kind == "choice":
        definition = {"choices": list(parameter.choices)}
    return {
        "type": PARAMETERS[parameter.kind][1],
        "name": parameter.name,
        "description": parameter.description,
        "definition": definition,
    }
