"""The pages of a build, and of the files it made or uses."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from werkzeug.exceptions import Forbidden, NotFound
from werkzeug.wrappers import Response

from sandbox.ci.server import api_builds, home, log, streams
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.home import read_json
from sandbox.ci.server.junit import test_report
from sandbox.ci.server.page import (
    archived,
    build_actions,
    build_colour,
    build_status,
    job_actions,
    known,
    show,
    size,
    stage_cell,
    table,
    took,
    trail,
)
from sandbox.ci.server.stages import Stages
from sandbox.ci.server.web import Call, get
from sandbox.ci.store import Build, Item

SHOWN_LOG = 256 * 1024


@get("/<jobs:path>/<build:number>", "/<jobs:path>/<build:number>/console", "/<jobs:path>/<build:number>/consoleFull")
def build(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    server = call.server
    base = f"/{job_path(path)}{record.number}/"
    folder = server.home.build(item.id, record.number)
    running = server.scheduler.running_build(record.id)
    stages = Stages(server)
    nodes = stages.nodes(item, record)
    node = call.value("node")
    values: dict[str, Any]
    if node:
        found = stages.log(item, record, node)
        if found is None:
            raise NotFound(f"There is no stage {node}")
        lines = "".join(f"<span>{escape(line)}</span>" for line in found["text"].splitlines(keepends=True))
        name = next(each["name"] for each in nodes if each["id"] == node)
        values = {"lines": Markup(lines), "skipped": 0, "end": 0, "stream": False, "node_name": name}
    else:
        whole = log.size(folder)
        start = max(0, whole - SHOWN_LOG)
        shown, end = streams.lines(folder, start, SHOWN_LOG)
        values = {"lines": Markup(shown), "skipped": start, "end": end, "stream": running is not None}
    return show(
        call,
        "build.html",
        f"{item.name} #{record.number}",
        topics=f"build/{record.id}" if record.building else "",
        crumbs=[*trail(call, path), (record.display_name or f"#{record.number}", base)],
        item=item,
        build=record,
        base=base,
        node=node,
        colour=build_colour(record),
        state=build_status(record),
        stopping=bool(running and running.stop_reason),
        took=took(record),
        waited=max(0, record.started - record.queued),
        estimate=call.beans.estimate(item),
        actions=build_actions(call, item, record, ""),
        shown_parameters=_shown_parameters(call, item, record),
        questions=[question.input for question in running.questions.values()] if running else [],
        stages=_flow(nodes),
        artifacts=archived(call, item, record),
        reports=sorted(each.name for each in (folder / "reports").glob("*") if each.is_dir()),
        changes=read_json(folder / "changes.json", []),
        **values,
    )


@get("/<jobs:path>/<build:number>/testReport")
def tests(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    report = test_report(call.server.store, call.server.home, item, record)
    if report is None:
        raise NotFound("This build has no test results")
    cases = [case for suite in report.fields["suites"] for case in suite["cases"]]
    return show(
        call,
        "tests.html",
        f"Tests of {item.name} #{record.number}",
        crumbs=[*trail(call, path), (f"#{record.number}", f"/{job_path(path)}{record.number}/"), ("Tests", "")],
        build=record,
        actions=build_actions(call, item, record, "testReport"),
        cases=cases,
        failed=[case for case in cases if case["status"] in ("FAILED", "REGRESSION")],
    )


@get("/<jobs:path>/<build:number>/artifact")
def artifact_list(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    base = f"/{job_path(path)}{record.number}/artifact/"
    rows = [
        {"cells": [{"text": each, "address": base + quote(each)}, size(count)]}
        for each, count in archived(call, item, record)
    ]
    actions = build_actions(call, item, record, "artifact")
    crumbs = [*trail(call, path), (f"#{record.number}", f"/{job_path(path)}{record.number}/"), ("Artifacts", "")]
    return table(call, "Artifacts", [("", ("File", "Size"), rows)], actions, crumbs=crumbs)


@get("/<jobs:path>/<build:number>/report/<name>", "/<jobs:path>/<build:number>/report/<name>/<path:inner>")
def report(call: Call, path: str, number: str, name: str, inner: str = "") -> Response:
    item, record = call.build(path, number)
    folder = call.server.home.build(item.id, record.number) / "reports" / name
    if not inner:
        if not call.request.path.endswith("/"):
            return call.redirect(call.request.path + "/")
        pages = sorted(each.name for each in folder.glob("*.html")) if home.inside(folder.parent, name) else []
        inner = "index.html" if "index.html" in pages or not pages else pages[0]
    return api_builds.send_inside(call, folder, inner)


def _flow(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stages and branches, each below its parent, with how deep it is."""
    shown = [node for node in nodes if node["kind"] in ("stage", "branch")]
    parents = {node["id"]: node["parent"] for node in nodes}
    known = {node["id"] for node in shown}
    below: dict[str, list[Mapping[str, Any]]] = {}
    for node in shown:
        parent, seen = node["parent"], set()
        while parent and parent not in known and parent not in seen:
            seen.add(parent)
            parent = parents.get(parent, "")
        below.setdefault(parent if parent in known else "", []).append(node)

    def ordered(parent: str, depth: int) -> Iterator[dict[str, Any]]:
        for node in below.get(parent, ()):
            yield {**stage_cell(node), "depth": depth}
            yield from ordered(node["id"], depth + 1)

    return list(ordered("", 0))


def _shown_parameters(call: Call, item: Item, record: Build) -> list[tuple[str, Any]]:
    kinds = {each.name: each.kind for each in call.server.scheduler.definition(item).declared.parameters}
    return [(name, "••••••" if kinds.get(name) == "password" else value) for name, value in record.parameters.items()]


@get("/<jobs:path>/<build:number>/changes", "/<jobs:path>/<build:number>/parameters")
def part_of_build(call: Call, path: str, number: str) -> Response:
    """Jenkins has pages of their own for these; here the build's page shows them."""
    _, record = call.build(path, number)
    part = call.request.path.rstrip("/").rpartition("/")[2]
    return call.redirect(f"{job_path(path)}{record.number}/#{part}")


@get("/<jobs:path>/ws", "/<jobs:path>/ws/<path:inner>")
def workspace(call: Call, path: str, inner: str = "") -> Response:
    """A file of the workspace, or the list of a folder."""
    item = call.job(path)
    if inner and not call.caller.known:
        raise Forbidden("anonymous is missing the Job/Workspace permission")
    known(call)
    root = call.server.home.workspace(path)
    folder = home.inside(root, inner)
    if folder is None or not folder.is_dir():
        if inner:
            return api_builds.send_inside(call, root, inner)
        raise NotFound("There is no workspace: no build of this job has run on a node yet")
    base = f"/{job_path(path)}ws/"
    rows = []
    for each in sorted(folder.iterdir(), key=lambda each: (not each.is_dir(), each.name)):
        name = os.fsencode(each.name).decode(errors="replace") + ("/" if each.is_dir() else "")
        address = base + quote(os.fsencode(each.relative_to(root.resolve())))
        length = "" if each.is_dir() else size(each.lstat().st_size)
        rows.append({"cells": [{"text": name, "address": address}, length]})
    crumbs = [*trail(call, path), ("Workspace", base)]
    if inner:
        crumbs.append((inner.strip("/"), ""))
    tables = [("", ("File", "Size"), rows)]
    return table(call, "Workspace", tables, job_actions(call, item, "ws"), crumbs=crumbs)
