"""The pages that people use: what they show, from the store and the scheduler. How it looks is in templates/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized
from werkzeug.utils import send_file
from werkzeug.wrappers import Response

from sandbox.ci.model import Credential, Source
from sandbox.ci.server import api_builds, api_items, configuration, credentials, home, log, streams
from sandbox.ci.server.beans import COLOURS, PERMALINKS, artifacts, view_items
from sandbox.ci.server.configuration import BadConfiguration, Definition
from sandbox.ci.server.home import read_json
from sandbox.ci.server.repositories import GitError
from sandbox.ci.server.scheduler import job_path
from sandbox.ci.server.security import ADMIN
from sandbox.ci.server.stages import Stages
from sandbox.ci.server.web import COOKIE, CRUMB, Call, get, post
from sandbox.ci.store import FOLDER, MULTIBRANCH, PIPELINE, Build, Item, Taken, now

if TYPE_CHECKING:
    from sandbox.ci.model import Parameter

HERE = Path(__file__).parent
SHOWN_LOG = 256 * 1024
STAGE_ROWS, TREND_BARS, SIDE_BUILDS = 10, 40, 30
UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
WORDS = {
    "blue": "success",
    "red": "failed",
    "yellow": "unstable",
    "notbuilt": "not built",
    "IN_PROGRESS": "running",
    "PAUSED_PENDING_INPUT": "waits for an answer",
}
STAGE_COLOURS = {
    **COLOURS,
    "IN_PROGRESS": "running",
    "PAUSED_PENDING_INPUT": "paused",
    "NOT_EXECUTED": "notbuilt",
    "FAILED": "red",
}
STATIC = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "theme.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


# How values look


def span(milliseconds: float) -> str:
    """`1 min 12 s`, `340 ms`."""
    left = int(milliseconds)
    if left < 1000:
        return f"{left} ms"
    if left < 10_000:
        return f"{left / 1000:.1f} s"
    parts: list[str] = []
    for size, unit in UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts)


def ago(moment: int) -> str:
    passed = max(0, now() - moment)
    size, unit = next(((size, unit) for size, unit in UNITS if passed >= size), (1000, "s"))
    return "now" if passed < 2000 else f"{passed // size} {unit} ago"


def size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.0f} kB" if count < 10**6 else f"{count / 10**6:.1f} MB"


def words(status: str) -> str:
    base = status.removesuffix("_anime")
    running = ", running" if status != base else ""
    return WORDS.get(base, base.replace("_", " ").lower()) + running


def camel(name: str) -> str:
    """`lastStableBuild` as "Last stable build"."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.capitalize()


@cache
def templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        span=span,
        ago=ago,
        bytes=size,
        words=words,
        camel=camel,
        job=job_path,
        iso=lambda moment: datetime.fromtimestamp(moment / 1000, UTC).isoformat(),
        address=lambda text: quote(str(text), safe=""),
        address_path=lambda text: quote(str(text)),
    )
    return environment


def show(call: Call, template: str, title: str, status: int = 200, **values: Any) -> Response:
    """A page. `topics`: what it wants to be told of; `crumbs`: where it is."""
    from sandbox.ci.server.server import VERSION

    crumb = f'<input type="hidden" name="{CRUMB}" value="{call.server.security.crumb(call.caller)}">'
    wanted = [name for name in values.pop("topics", "").split(",") if name]
    values["topics"] = ",".join(f"{name}:{call.seen.get(name, 0)}" for name in wanted)
    values.setdefault("crumbs", [(title, call.request.path)])
    values.setdefault("api", call.request.path if call.request.path.endswith("/") else f"{call.request.path}/")
    content = (
        templates()
        .get_template(template)
        .render(
            title=title,
            person=call.caller,
            crumb=Markup(crumb),
            session=call.server.session,
            version=VERSION,
            here=call.request.full_path.rstrip("?"),
            quieting=call.server.scheduler.quieting,
            side=template not in ("failure.html", "login.html"),
            **values,
        )
    )
    return Response(content, status, mimetype="text/html")


def failure(call: Call, status: int, title: str, message: str) -> Response:
    return show(call, "failure.html", title, status, name=title, message=message, api="/")


@get("/static/<name>")
def static(call: Call, name: str) -> Response:
    if name not in STATIC:
        raise NotFound(name)
    response = send_file(HERE / "static" / name, call.request.environ, mimetype=STATIC[name])
    response.headers["Cache-Control"] = "public, max-age=86400" if call.request.args.get("v") else "no-cache"
    return response


# Being told


@get("/events")
def events(call: Call) -> Response:
    seen = {}
    for each in call.value("topics").split(",")[:10]:
        name, _, version = each.rpartition(":")
        if name and version.isdigit():
            seen[name] = int(version)
    return streams.changes(call.server, seen)


@get("/<jobs:path>/<build:number>/console/events")
def console_events(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    return streams.console(call.server, item, record.id, record.number, max(0, call.number("start")))


# Logging in


@get("/login")
def login(call: Call) -> Response:
    return _login(call, call.value("from", "/"), "")


@post("/j_spring_security_check", free=True)
def log_in(call: Call) -> Response:
    user, wanted = call.value("j_username"), call.value("from", "/")
    if not call.server.security.is_password(user, call.value("j_password")):
        return _login(call, wanted, "Wrong user or password.", 401)
    parts = urlsplit(wanted)
    response = call.redirect("" if parts.netloc or parts.scheme or wanted.startswith("//") else wanted)
    response.set_cookie(COOKIE, call.server.security.session(user), httponly=True, samesite="Lax", path="/")
    return response


@post("/logout")
def log_out(call: Call) -> Response:
    response = call.redirect("")
    response.delete_cookie(COOKIE, path="/")
    return response


def _login(call: Call, wanted: str, problem: str, status: int = 200) -> Response:
    hint = "The password is shown by `sandbox status`; without one set, it is in the file initialAdminPassword."
    values = {"from": wanted, "problem": problem, "hint": hint, "api": "/"}
    return show(call, "login.html", "Log in", status, **values)


# Jobs


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
    actions = _folder_actions(call, folder) if folder else _top_actions(call)
    return show(
        call,
        "list.html",
        folder.name if folder else "Jobs",
        topics="jobs,queue,executors",
        crumbs=_crumbs(call, path),
        item=folder,
        item_icon="branch" if folder and folder.kind == MULTIBRANCH else "folder",
        multibranch=bool(folder and folder.kind == MULTIBRANCH),
        path=path,
        description=folder.description if folder else "",
        views=views,
        rows=[_row(call, each) for each in items],
        actions=actions,
        **_side(call),
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
    longest = max((_took(build) for build in recent), default=0)
    return show(
        call,
        "job.html",
        item.display_name or item.name,
        topics=f"jobs,queue,{','.join(f'build/{build.id}' for build in builds[:3] if build.building)}".rstrip(","),
        crumbs=_crumbs(call, item.path),
        item=item,
        colour=call.beans.colour(item),
        actions=_job_actions(call, item, ""),
        parameters=definition.declared.parameters,
        source=definition.source,
        triggers=definition.declared.triggers,
        builds=[_line(call, item, build) for build in builds],
        more=count if count > len(builds) else 0,
        stage_rows=rows,
        stage_columns=columns,
        trend=[
            {
                "number": build.number,
                "colour": _colour(build),
                "status": _status(build),
                "duration": _took(build),
                "height": max(2, round(100 * _took(build) / longest)) if longest else 2,
            }
            for build in recent
        ],
        longest=longest,
        test_trend=_test_trend([build for build in recent if build.has_tests]),
        artifacts=_artifacts(call, item, last)[:10] if last else [],
        permalinks=[(name, build) for name, build in links if build],
        **_side(call),
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
            cell = _stage(node)
            if node["name"] in times and node["status"] not in ("NOT_EXECUTED", "NOT_BUILT"):
                times[node["name"]].append(cell["milliseconds"])
            cells.setdefault(node["name"], cell)
        row = {**_line(call, item, build), "path": item.path, "cells": [cells.get(name) for name in names]}
        rows.append(row)
    return rows, [(name, sum(taken) / len(taken) if taken else 0) for name, taken in times.items()]


def _stage(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": node["id"],
        "name": node["name"],
        "status": node["status"],
        "colour": STAGE_COLOURS.get(node["status"], "notbuilt"),
        "error": node["error"],
        "milliseconds": max(0, (node["ended"] or now()) - node["started"]) if node["started"] else 0,
    }


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
    _known(call)
    parameters: Sequence[Parameter] = call.server.scheduler.definition(item).declared.parameters
    return show(
        call,
        "parameters.html",
        f"Build {item.name}",
        crumbs=[*_crumbs(call, path), ("Build", "")],
        item=item,
        actions=_job_actions(call, item, "build"),
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
                    _code(each.get("id", "")[:12]),
                ]
            }
            for each in commits
        ]
        if rows:
            tables.append((f"#{build.number}", ("Message", "Author", "Commit"), rows))
    return _table(
        call, "Changes", tables, _job_actions(call, item, "changes"), crumbs=[*_crumbs(call, path), ("Changes", "")]
    )


# Builds


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
        crumbs=[*_crumbs(call, path), (record.display_name or f"#{record.number}", base)],
        item=item,
        build=record,
        base=base,
        node=node,
        colour=_colour(record),
        state=_status(record),
        stopping=bool(running and running.stop_reason),
        took=_took(record),
        waited=max(0, record.started - record.queued),
        estimate=call.beans.estimate(item),
        actions=_build_actions(call, item, record, ""),
        shown_parameters=_shown_parameters(call, item, record),
        questions=[question.input for question in running.questions.values()] if running else [],
        stages=_flow(nodes),
        artifacts=_artifacts(call, item, record),
        reports=sorted(each.name for each in (folder / "reports").glob("*") if each.is_dir()),
        changes=read_json(folder / "changes.json", []),
        **values,
    )


@get("/<jobs:path>/<build:number>/testReport")
def tests(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    report = call.beans.test_report(item, record)
    if report is None:
        raise NotFound("This build has no test results")
    cases = [case for suite in report.fields["suites"] for case in suite["cases"]]
    return show(
        call,
        "tests.html",
        f"Tests of {item.name} #{record.number}",
        crumbs=[*_crumbs(call, path), (f"#{record.number}", f"/{job_path(path)}{record.number}/"), ("Tests", "")],
        build=record,
        actions=_build_actions(call, item, record, "testReport"),
        cases=cases,
        failed=[case for case in cases if case["status"] in ("FAILED", "REGRESSION")],
    )


@get("/<jobs:path>/<build:number>/artifact")
def artifact_list(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    base = f"/{job_path(path)}{record.number}/artifact/"
    rows = [
        {"cells": [{"text": each, "address": base + quote(each)}, size(count)]}
        for each, count in _artifacts(call, item, record)
    ]
    actions = _build_actions(call, item, record, "artifact")
    crumbs = [*_crumbs(call, path), (f"#{record.number}", f"/{job_path(path)}{record.number}/"), ("Artifacts", "")]
    return _table(call, "Artifacts", [("", ("File", "Size"), rows)], actions, crumbs=crumbs)


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
            yield {**_stage(node), "depth": depth}
            yield from ordered(node["id"], depth + 1)

    return list(ordered("", 0))


def _shown_parameters(call: Call, item: Item, record: Build) -> list[tuple[str, Any]]:
    kinds = {each.name: each.kind for each in call.server.scheduler.definition(item).declared.parameters}
    return [(name, "••••••" if kinds.get(name) == "password" else value) for name, value in record.parameters.items()]


def _artifacts(call: Call, item: Item, record: Build) -> list[tuple[str, int]]:
    folder = call.server.home.build(item.id, record.number)
    return [(str(relative), path.stat().st_size) for path, relative in artifacts(folder)]


# Making and changing jobs

KINDS = (
    (PIPELINE, "Pipeline"),
    ("from git", "Pipeline from a repository"),
    (MULTIBRANCH, "Multibranch pipeline"),
    (FOLDER, "Folder"),
)
EXAMPLE = """pipeline {
    agent any
    stages {
        stage('Hello') {
            steps {
                echo 'Hello World'
            }
        }
    }
}
"""


@get("/newJob", "/<jobs:path>/newJob", "/view/<name>/newJob")
def new_job(call: Call, path: str = "", name: str = "") -> Response:
    return _new_job(call, path, {}, "")


@post("/newJob", "/<jobs:path>/newJob")
def make_job(call: Call, path: str = "") -> Response:
    given = {field: call.value(field).strip() for field in ("name", "kind", "repository", "branch", "jenkinsfile")}
    given["script"] = call.value("script")
    try:
        name = configuration.check_name(given["name"])
        repository = given["repository"]
        if given["kind"] in ("from git", MULTIBRANCH) and not repository:
            raise BadConfiguration("A repository is needed")
        if repository in call.server.repositories.names():
            repository = call.server.scheduler.repository_url(repository)
        kind = PIPELINE if given["kind"] == "from git" else given["kind"]
        if kind not in (PIPELINE, MULTIBRANCH, FOLDER):
            raise BadConfiguration("This kind of job there is not")
        source = Source(repository, given["branch"], script_path=given["jenkinsfile"] or "Jenkinsfile")
        script = "" if given["kind"] != PIPELINE else given["script"].replace("\r\n", "\n")
        definition = Definition(kind, script=script, source=source if given["kind"] != PIPELINE else Source())
        target = f"{path}/{name}" if path else name
        created = api_items.create(call, target, configuration.write(definition))
    except (BadConfiguration, ValueError) as error:
        return _new_job(call, path, given, str(error))
    except Taken:
        return _new_job(call, path, given, f"There is a job {given['name']} already")
    return call.redirect(job_path(created.path), 303)


def _new_job(call: Call, path: str, given: Mapping[str, str], problem: str) -> Response:
    _known(call)
    hosted = ", ".join(call.server.repositories.names()) or "none yet"
    in_git = f"from git {MULTIBRANCH}"
    fields: list[dict[str, Any]] = [
        {"name": "name", "label": "Name", "required": True, "value": given.get("name", "")},
        {"name": "kind", "label": "Kind", "choices": KINDS, "value": given.get("kind", PIPELINE)},
        {
            "name": "repository",
            "label": "Repository",
            "only": in_git,
            "value": given.get("repository", ""),
            "help": f"An address, or the name of a repository hosted here: {hosted}.",
        },
        {"name": "branch", "label": "Branch", "only": "from git", "value": given.get("branch", "main")},
        {
            "name": "jenkinsfile",
            "label": "Path of the Jenkinsfile",
            "only": in_git,
            "value": given.get("jenkinsfile", "Jenkinsfile"),
        },
        {
            "name": "script",
            "label": "Jenkinsfile",
            "only": PIPELINE,
            "rows": 14,
            "code": True,
            "value": given.get("script", EXAMPLE),
        },
    ]
    crumbs = [*_crumbs(call, path), ("New job", "")]
    return _form(call, "New job", f"/{job_path(path)}newJob", fields, "Create", problem=problem, crumbs=crumbs)


@get("/<jobs:path>/configure")
def configure(call: Call, path: str) -> Response:
    return _configure(call, call.item(path), "", "")


@post("/<jobs:path>/configSubmit")
def save_configuration(call: Call, path: str) -> Response:
    item = call.item(path)
    config = call.value("config").replace("\r\n", "\n")
    try:
        definition = configuration.read(config)
        if "script" in call.request.form and not definition.source.url and item.kind == PIPELINE:
            config = configuration.set_script(config, call.value("script").replace("\r\n", "\n"))
            definition = configuration.read(config)
        if definition.kind != item.kind:
            raise BadConfiguration(f"The XML is of a {definition.kind}, the job is a {item.kind}")
    except BadConfiguration as error:
        return _configure(call, item, config, str(error))
    api_items.change(call, item, config, definition)
    return call.redirect(job_path(path), 303)


def _configure(call: Call, item: Item, config: str, problem: str) -> Response:
    _known(call)
    xml = config or item.config
    fields: list[dict[str, Any]] = []
    try:
        definition = configuration.read(xml)
    except BadConfiguration:
        definition = Definition(item.kind)
    if item.kind == PIPELINE and not definition.source.url:
        fields.append({"name": "script", "label": "Jenkinsfile", "rows": 18, "code": True, "value": definition.script})
    fields.append({"name": "config", "label": "config.xml", "rows": 14, "code": True, "value": xml})
    crumbs = [*_crumbs(call, item.path), ("Configure", "")]
    action = f"/{job_path(item.path)}configSubmit"
    actions = _folder_actions(call, item) if item.holds_items else _job_actions(call, item, "configure")
    return _form(
        call, f"Configure {item.name}", action, fields, "Save", problem=problem, crumbs=crumbs, actions=actions
    )


@get("/<jobs:path>/delete")
def ask_delete(call: Call, path: str) -> Response:
    item = call.item(path)
    _known(call)
    intro = f"{item.path} goes with all that belongs to it: builds, logs, artifacts. This cannot be undone."
    action = f"/{job_path(path)}doDelete"
    return _form(call, f"Delete {item.name}?", action, [], "Delete", crumbs=_crumbs(call, path), intro=intro)


@get("/newView", "/<jobs:path>/newView")
def new_view(call: Call, path: str = "") -> Response:
    _known(call)
    fields = [{"name": "name", "label": "Name", "required": True, "value": ""}]
    crumbs = [*_crumbs(call, path), ("New view", "")]
    intro = "A list of some jobs. Put jobs into it from its page's configuration, or by the API."
    return _form(call, "New view", f"/{job_path(path)}createView", fields, "Create", crumbs=crumbs, intro=intro)


@get("/<jobs:path>/indexing", "/<jobs:path>/indexing/console")
def scan_page(call: Call, path: str) -> Response:
    item = call.item(path)
    file = call.server.branches.log(item)
    text = file.read_text(encoding="utf-8") if file.exists() else "Not scanned yet.\n"
    rows = [{"cells": [line]} for line in text.splitlines()]
    return _table(
        call, "Scan log", [("", ("",), rows)], _folder_actions(call, item), crumbs=[*_crumbs(call, path), ("Scan", "")]
    )


# The rest


@get("/queue", "/computer", "/computer/<name>")
def queue_and_nodes(call: Call, name: str = "") -> Response:
    scheduler = call.server.scheduler
    if name and call.server.agents.get(name) is None:
        raise NotFound(f"There is no node {name}")
    waiting = [
        {
            "cells": [_link(each.item.path, job_path(each.item.path)), each.why, {"moment": each.queued.since}],
            "actions": [("Cancel", f"/queue/item/{each.queued.id}/cancelQueue", "")],
        }
        for each in scheduler.waiting()[:200]
    ]
    running = [
        {
            "cells": [
                _link(f"{each.job} #{each.number}", f"{job_path(each.job)}{each.number}/"),
                ", ".join(agent.name for agent in call.server.agents.all() if each.record.id in agent.slots) or "—",
                {"moment": each.record.started},
            ],
            "actions": [("Stop", f"/{job_path(each.job)}{each.number}/stop", "")],
        }
        for each in scheduler.running()
    ]
    nodes = [
        {
            "cells": [
                {"text": agent.name, "icon": "aborted" if agent.offline else "blue"},
                f"{agent.busy} of {len(agent.slots)}",
                " ".join(sorted(agent.labels)),
                f"offline: {agent.offline_reason}" if agent.offline else "online",
            ],
            "actions": [
                (
                    "Bring online" if agent.offline else "Take offline",
                    f"/computer/{quote(agent.name, safe='')}/toggleOffline",
                    "",
                )
            ],
        }
        for agent in call.server.agents.all()
    ]
    tables = [
        ("Nodes", ("Node", "Busy executors", "Labels", "State"), nodes),
        ("Running", ("Build", "Executor of", "Since"), running),
        ("Queue", ("Job", "Why", "Since"), waiting),
    ]
    return _table(call, "Queue and executors", tables, _top_actions(call, "computer"), topics="queue,executors")


@get("/credentials", "/credentials/store/system", "/credentials/store/system/domain/_", "/<jobs:path>/credentials")
def credential_list(call: Call, path: str = "") -> Response:
    _known(call)
    base = f"/{job_path(path)}credentials/store/{'folder' if path else 'system'}/domain"
    rows = []
    for domain in call.server.store.domains(path):
        for id, xml in call.server.store.credentials(path, domain).items():
            read = credentials.read(xml)
            action = f"{base}/{quote(domain, safe='')}/credential/{quote(id, safe='')}/doDelete"
            rows.append(
                {
                    "cells": [_code(id), credentials.type_name(xml), read.username or read.file_name, read.description],
                    "actions": [("Delete", action, f"Delete the credentials {id}?")],
                }
            )
    tables = [("", ("Id", "Kind", "User or file", "Description"), rows)]
    create = ("Add credentials", f"/{job_path(path)}credentials/new")
    actions = _top_actions(call, "credentials")
    return _table(
        call, "Credentials", tables, actions, create=create, crumbs=[*_crumbs(call, path), ("Credentials", "")]
    )


@get("/credentials/new", "/<jobs:path>/credentials/new")
def new_credential(call: Call, path: str = "") -> Response:
    return _new_credential(call, path, {}, "")


@post("/credentials/new", "/<jobs:path>/credentials/new")
def make_credential(call: Call, path: str = "") -> Response:
    names = ("id", "kind", "description", "username", "file_name", "secret", "passphrase")
    given = {name: call.value(name) for name in names}
    secret = given.pop("secret").replace("\r\n", "\n")
    credential = Credential(secret=secret.encode(), **given)
    try:
        if credential.kind not in credentials.KINDS.values():
            raise BadConfiguration("This kind of credentials there is not")
        xml = credentials.write(credential)
        credentials.read(xml)
        if credential.id in call.server.store.credentials(path, "_"):
            raise BadConfiguration(f"There are credentials {credential.id} already")
    except BadConfiguration as error:
        return _new_credential(call, path, given, str(error))
    call.server.store.put_credential(path, "_", credential.id, xml)
    return call.redirect(f"{job_path(path)}credentials/", 303)


def _new_credential(call: Call, path: str, given: Mapping[str, str], problem: str) -> Response:
    _known(call)
    kinds = [(kind, credentials.TYPE_NAMES[tag]) for tag, kind in credentials.KINDS.items()]
    login = "usernamePassword sshUserPrivateKey"
    fields: list[dict[str, Any]] = [
        {"name": "kind", "label": "Kind", "choices": kinds},
        {"name": "id", "label": "Id", "required": True},
        {"name": "description", "label": "Description"},
        {"name": "username", "label": "User", "only": login},
        {"name": "file_name", "label": "Name of the file", "only": "file"},
        {
            "name": "secret",
            "label": "Secret",
            "rows": 4,
            "code": True,
            "help": "The text, password, private key or content.",
        },
        {
            "name": "passphrase",
            "label": "Passphrase",
            "type": "password",
            "only": "sshUserPrivateKey",
            "complete": "off",
        },
    ]
    for field in fields:
        field["value"] = given.get(field["name"], "")
    crumbs = [*_crumbs(call, path), ("Credentials", f"/{job_path(path)}credentials/"), ("Add", "")]
    return _form(
        call, "Add credentials", f"/{job_path(path)}credentials/new", fields, "Add", problem=problem, crumbs=crumbs
    )


@get("/repositories")
def repository_list(call: Call) -> Response:
    rows = []
    for name in call.server.repositories.names():
        try:
            heads = call.server.repositories.heads(name)
        except GitError:
            heads = []
        rows.append({"cells": [name, _code(f"{call.url}git/{name}.git"), ", ".join(head.branch for head in heads[:8])]})
    tables = [("", ("Name", "Clone and push here", "Branches"), rows)]
    create = ("New repository", "/repositories/new") if call.caller.known else None
    return _table(call, "Repositories", tables, _top_actions(call, "repositories"), create=create)


@get("/repositories/new")
def new_repository(call: Call) -> Response:
    _known(call)
    fields = [{"name": "name", "label": "Name", "required": True, "value": ""}]
    return _form(call, "New repository", "/repositories/new", fields, "Create")


@post("/repositories/new")
def make_repository(call: Call) -> Response:
    call.server.repositories.create(call.value("name").strip())
    return call.redirect("repositories/", 303)


@get("/asynchPeople", "/people")
def people(call: Call) -> Response:
    rows = [
        {"cells": [_link(id, f"user/{quote(id, safe='')}/"), row["full_name"], row["description"]]}
        for id, row in call.server.store.users().items()
    ]
    return _table(call, "People", [("", ("User", "Name", "Description"), rows)], _top_actions(call))


@get("/user/<id>")
def user_page(call: Call, id: str) -> Response:
    return _user(call, id, None)


@get("/me")
def my_page(call: Call) -> Response:
    _known(call)
    return call.redirect(f"user/{quote(call.caller.id, safe='')}/")


@post("/user/<id>/tokens")
def make_token(call: Call, id: str) -> Response:
    if id != call.caller.id and call.caller.id != ADMIN:
        raise Forbidden(f"Only {id} may do this")
    if call.value("uuid"):
        call.server.store.delete_token(id, call.value("uuid"))
        return call.redirect(f"user/{quote(id, safe='')}/", 303)
    _, value = call.server.security.new_token(id, "made on the page")
    return _user(call, id, ("The new token, shown only now:", value))


def _user(call: Call, id: str, secret: tuple[str, str] | None) -> Response:
    row = call.server.store.user(id)
    if row is None:
        raise NotFound(f"There is no user {id}")
    action = f"/user/{quote(id, safe='')}/tokens"
    may = call.caller.id in (id, ADMIN)
    tokens = call.server.store.tokens(id) if may else []
    rows = [
        {
            "cells": [token["name"], {"moment": token["created"]}],
            "actions": [("Revoke", f"{action}?uuid={token['uuid']}", "Revoke this token?")],
        }
        for token in tokens
    ]
    if may:
        rows.append({"cells": ["", ""], "actions": [("New token", action, "")]})
    tables = [("API tokens", ("Name", "Made"), rows)]
    return _table(call, str(row["full_name"]), tables, _top_actions(call), secret=secret)


# Parts of pages


def _known(call: Call) -> None:
    if not call.caller.known:
        if call.request.method == "GET":
            address = f"/login?from={quote(call.request.full_path.rstrip('?'), safe='')}"
            raise Unauthorized(response=Response(status=302, headers={"Location": address}))
        raise Forbidden("anonymous may only read; log in")


def _table(
    call: Call,
    title: str,
    tables: Sequence[tuple[str, Sequence[str], Sequence[Mapping[str, Any]]]],
    actions: Sequence[tuple[str, str, bool]],
    **values: Any,
) -> Response:
    return show(call, "table.html", title, tables=tables, actions=actions, **{**_side(call), **values})


def _form(
    call: Call, title: str, action: str, fields: Sequence[Mapping[str, Any]], submit: str, **values: Any
) -> Response:
    values.setdefault("actions", _top_actions(call))
    cancel = values["crumbs"][-2][1] if len(values.get("crumbs", ())) > 1 else "/"
    status = 400 if values.get("problem") else 200
    more = {"action": action, "fields": fields, "submit": submit, "cancel": cancel}
    return show(call, "form.html", title, status, **more, **values)


def _crumbs(call: Call, path: str) -> list[tuple[str, str]]:
    found, so_far = [], ""
    for part in path.split("/") if path else ():
        so_far = f"{so_far}/{part}".strip("/")
        item = call.server.store.item(so_far)
        found.append(((item.display_name if item else "") or part, "/" + job_path(so_far)))
    return found


def _side(call: Call) -> dict[str, Any]:
    scheduler = call.server.scheduler
    running = [
        {"item": each.item, "number": each.number, "percent": call.beans.progress(each.item, each.record)}
        for each in scheduler.running()
    ]
    agents = call.server.agents.all()
    return {
        "waiting": scheduler.waiting(),
        "running": running,
        "busy": sum(agent.busy for agent in agents),
        "capacity": call.server.agents.capacity,
    }


def _top_actions(call: Call, current: str = "") -> list[tuple[str, str, bool]]:
    entries = [("Jobs", "/"), ("Queue and executors", "/computer/"), ("Repositories", "/repositories/")]
    if call.caller.known:
        entries.insert(1, ("New job", "/newJob"))
        entries += [("Credentials", "/credentials/"), ("People", "/asynchPeople/")]
    here = call.request.path.rstrip("/")
    return [(label, address, address.rstrip("/") == here) for label, address in entries]


def _folder_actions(call: Call, item: Item) -> list[tuple[str, str, bool]]:
    base = "/" + job_path(item.path)
    entries = [("Jobs", base)]
    if item.kind == MULTIBRANCH:
        entries.append(("Scan log", f"{base}indexing"))
    elif call.caller.known:
        entries.append(("New job", f"{base}newJob"))
    if call.caller.known:
        entries += [
            ("Configure", f"{base}configure"),
            ("Credentials", f"{base}credentials/"),
            ("Delete", f"{base}delete"),
        ]
    here = call.request.path.rstrip("/")
    return [(label, address, address.rstrip("/") == here) for label, address in entries]


def _job_actions(call: Call, item: Item, current: str) -> list[tuple[str, str, bool]]:
    base = "/" + job_path(item.path)
    entries = [("Status", ""), ("Changes", "changes")]
    if call.caller.known:
        entries += [("Configure", "configure"), ("Delete", "delete")]
    return [(label, base + name, name == current) for label, name in entries]


def _build_actions(call: Call, item: Item, record: Build, current: str) -> list[tuple[str, str, bool]]:
    base = f"/{job_path(item.path)}{record.number}/"
    entries = [("Status and console", ""), ("Artifacts", "artifact")]
    if record.has_tests:
        entries.append(("Test results", "testReport"))
    links = [(label, base + name, name == current) for label, name in entries]
    for label, condition, newest in (
        ("Previous build", f"number < {int(record.number)}", True),
        ("Next build", f"number > {int(record.number)}", False),
    ):
        if found := call.server.store.find_build(item.id, condition, newest):
            links.append((label, f"/{job_path(item.path)}{found.number}/", False))
    return [("Up to the job", "/" + job_path(item.path), False), *links]


def _line(call: Call, item: Item, build: Build) -> dict[str, Any]:
    return {
        "number": build.number,
        "name": build.display_name or f"#{build.number}",
        "started": build.started,
        "building": build.building,
        "colour": _colour(build),
        "status": _status(build),
        "percent": call.beans.progress(item, build) if build.building else -1,
    }


def _colour(build: Build) -> str:
    return "running" if build.building else COLOURS.get(build.result, "notbuilt")


def _status(build: Build) -> str:
    return "IN_PROGRESS" if build.building else build.result


def _took(build: Build) -> int:
    return now() - build.started if build.building else build.duration


def _link(text: str, path: str) -> dict[str, str]:
    return {"text": text, "address": "/" + path}


def _code(text: str) -> dict[str, Any]:
    return {"text": text, "code": True}
