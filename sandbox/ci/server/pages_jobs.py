"""The pages of jobs, folders and views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.beans import PERMALINKS, view_items
from sandbox.ci.server.home import read_json
from sandbox.ci.server.page import (
    archived,
    build_colour,
    build_line,
    build_status,
    code,
    folder_actions,
    job_actions,
    known,
    show,
    side,
    stage_cell,
    table,
    took,
    top_actions,
    trail,
)
from sandbox.ci.server.stages import Stages
from sandbox.ci.server.web import Call, get
from sandbox.ci.store import MULTIBRANCH, Build, Item

if TYPE_CHECKING:
    from sandbox.ci.model import Parameter


STAGE_ROWS, TREND_BARS, SIDE_BUILDS = 10, 40, 30


@get("/", "/view/<name>", "/<jobs:path>/view/<name>")
def jobs(call: Call, path: str = "", name: str = "") -> Response:
    if path:
        call.item(path)
    return _list(call, path, name)


@get("/<jobs:path>")
def item(call: Call, path: str) -> Response:
    found = call.item(path)
    return _list(call, path, "") if found.holds_items else _job(call, found)


def _list(call: Call, path: str, view: str) -> Response:
    server = call.server
    folder = server.store.item(path) if path else None
    configs = call.beans.view_configs(path)
    chosen = next((name for name in configs if name.lower() == view.lower()), next(iter(configs)))
    if view and chosen.lower() != view.lower():
        raise NotFound(f"There is no view {view}")
    base = "/" + job_path(path)
    views = [
        (name, base + (f"view/{quote(name, safe='')}/" if xml else ""), name == chosen) for name, xml in configs.items()
    ]
    items = view_items(server.store.children(path), configs[chosen])
    actions = folder_actions(call, folder) if folder else top_actions(call)
    return show(
        call,
        "list.html",
        folder.name if folder else "Jobs",
        topics="jobs,queue,executors",
        crumbs=trail(call, path),
        item=folder,
        item_icon="branch" if folder and folder.kind == MULTIBRANCH else "folder",
        multibranch=bool(folder and folder.kind == MULTIBRANCH),
        path=path,
        description=folder.description if folder else "",
        views=views,
        rows=[_row(call, each) for each in items],
        actions=actions,
        **side(call),
    )


def _row(call: Call, item: Item) -> dict[str, Any]:
    store = call.server.store
    health = call.beans.health(item) if not item.holds_items else []
    found = {} if item.holds_items else {name: store.find_build(item.id, PERMALINKS[name]) for name in SHOWN_LINKS}
    colour = call.beans.colour(item)
    if item.holds_items:
        colour = "branch" if item.kind == MULTIBRANCH else "folder"
    return {
        "name": item.display_name or item.name,
        "address": "/" + job_path(item.path),
        "colour": colour,
        "health": health[0] if health else None,
        "description": item.description.partition("\n")[0],
        "disabled": item.disabled,
        "buildable": not item.holds_items and not item.disabled,
        "parameters": not item.holds_items and bool(call.server.scheduler.definition(item).declared.parameters),
        "success": found.get("lastSuccessfulBuild"),
        "failure": found.get("lastFailedBuild"),
        "last": found.get("lastCompletedBuild"),
    }


SHOWN_LINKS = ("lastSuccessfulBuild", "lastFailedBuild", "lastCompletedBuild")


def _job(call: Call, item: Item) -> Response:
    server = call.server
    definition = server.scheduler.definition(item)
    builds = server.store.builds(item.id, -1 if call.value("builds") == "all" else SIDE_BUILDS)
    count = server.store.build_count(item.id)
    last = server.store.find_build(item.id, PERMALINKS["lastSuccessfulBuild"])
    links = ((name, server.store.find_build(item.id, condition)) for name, condition in PERMALINKS.items())
    rows, columns = _stage_rows(call, item, builds[:STAGE_ROWS])
    recent = list(reversed(builds[:TREND_BARS]))
    longest = max((took(build) for build in recent), default=0)
    return show(
        call,
        "job.html",
        item.display_name or item.name,
        topics=f"jobs,queue,{','.join(f'build/{build.id}' for build in builds[:3] if build.building)}".rstrip(","),
        crumbs=trail(call, item.path),
        item=item,
        colour=call.beans.colour(item),
        actions=job_actions(call, item, ""),
        parameters=definition.declared.parameters,
        source=definition.source,
        triggers=definition.declared.triggers,
        builds=[build_line(call, item, build) for build in builds],
        more=count if count > len(builds) else 0,
        stage_rows=rows,
        stage_columns=columns,
        trend=[
            {
                "number": build.number,
                "colour": build_colour(build),
                "status": build_status(build),
                "duration": took(build),
                "height": max(2, round(100 * took(build) / longest)) if longest else 2,
            }
            for build in recent
        ],
        longest=longest,
        test_trend=_test_trend([build for build in recent if build.has_tests]),
        artifacts=archived(call, item, last)[:10] if last else [],
        permalinks=[(name, build) for name, build in links if build],
        **side(call),
    )


def _stage_rows(
    call: Call, item: Item, builds: Sequence[Build]
) -> tuple[list[dict[str, Any]], list[tuple[str, float]]]:
    """The stage view: a row per build, a column per stage name, in the order of the newest build that has it."""
    stages = Stages(call.server)
    nodes = {b.id: [node for node in stages.nodes(item, b) if node["kind"] == "stage"] for b in builds}
    names = list(dict.fromkeys(node["name"] for build in builds for node in nodes[build.id]))[:40]
    if not names:
        return [], []
    times: dict[str, list[int]] = {name: [] for name in names}
    rows = []
    for build in builds:
        cells: dict[str, dict[str, Any]] = {}
        for node in nodes[build.id]:
            cell = stage_cell(node)
            if node["name"] in times and node["status"] not in ("NOT_EXECUTED", "NOT_BUILT"):
                times[node["name"]].append(cell["milliseconds"])
            cells.setdefault(node["name"], cell)
        row = {**build_line(call, item, build), "path": item.path, "cells": [cells.get(name) for name in names]}
        rows.append(row)
    return rows, [(name, sum(taken) / len(taken) if taken else 0) for name, taken in times.items()]


def _test_trend(builds: Sequence[Build]) -> list[dict[str, Any]]:
    most = max((build.passed + build.failed + build.skipped for build in builds), default=0)
    bars = []
    for index, build in enumerate(builds):
        parts, top = [], 100.0
        for colour, count in (("red", build.failed), ("notbuilt", build.skipped), ("blue", build.passed)):
            height = 100 * count / most
            top -= height
            if count:
                parts.append({"colour": colour, "y": round(top, 2), "height": round(height, 2)})
        shown = {"passed": build.passed, "failed": build.failed, "skipped": build.skipped}
        bars.append({"number": build.number, "x": index * 14 + 1, "parts": parts, **shown})
    return bars


@get("/<jobs:path>/build", "/<jobs:path>/buildWithParameters")
def ask_parameters(call: Call, path: str) -> Response:
    item = call.job(path)
    known(call)
    parameters: Sequence[Parameter] = call.server.scheduler.definition(item).declared.parameters
    return show(
        call,
        "parameters.html",
        f"Build {item.name}",
        crumbs=[*trail(call, path), ("Build", "")],
        item=item,
        actions=job_actions(call, item, "build"),
        parameters=parameters,
    )


@get("/<jobs:path>/changes")
def job_changes(call: Call, path: str) -> Response:
    item = call.job(path)
    tables = []
    for build in call.server.store.builds(item.id, SIDE_BUILDS):
        commits = read_json(call.server.home.build(item.id, build.number) / "changes.json", [])
        rows = [
            {
                "cells": [
                    each.get("message", "").partition("\n")[0],
                    each.get("author", ""),
                    code(each.get("id", "")[:12]),
                ]
            }
            for each in commits
        ]
        if rows:
            tables.append((f"#{build.number}", ("Message", "Author", "Commit"), rows))
    return table(
        call, "Changes", tables, job_actions(call, item, "changes"), crumbs=[*trail(call, path), ("Changes", "")]
    )


@get("/<jobs:path>/indexing", "/<jobs:path>/indexing/console")
def scan_page(call: Call, path: str) -> Response:
    item = call.item(path)
    file = call.server.branches.log(item)
    text = file.read_text(encoding="utf-8") if file.exists() else "Not scanned yet.\n"
    rows = [{"cells": [line]} for line in text.splitlines()]
    return table(
        call, "Scan log", [("", ("",), rows)], folder_actions(call, item), crumbs=[*trail(call, path), ("Scan", "")]
    )


@get("/<jobs:path>/buildTimeTrend")
def build_times(call: Call, path: str) -> Response:
    call.job(path)
    return call.redirect(f"{job_path(path)}#trend")
