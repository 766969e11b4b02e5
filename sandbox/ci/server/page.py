"""What all pages have in common: how values look, menus, tables, forms. The layout itself is in templates/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response

from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.beans import COLOURS, artifacts
from sandbox.ci.server.web import CRUMB, Call
from sandbox.ci.store import MULTIBRANCH, Build, Item, now

HERE = Path(__file__).parent
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


def known(call: Call) -> None:
    if not call.caller.known:
        if call.request.method == "GET":
            address = f"/login?from={quote(call.request.full_path.rstrip('?'), safe='')}"
            raise Unauthorized(response=Response(status=302, headers={"Location": address}))
        raise Forbidden("anonymous may only read; log in")


def table(
    call: Call,
    title: str,
    tables: Sequence[tuple[str, Sequence[str], Sequence[Mapping[str, Any]]]],
    actions: Sequence[tuple[str, str, bool]],
    **values: Any,
) -> Response:
    return show(call, "table.html", title, tables=tables, actions=actions, **{**side(call), **values})


def form(
    call: Call, title: str, action: str, fields: Sequence[Mapping[str, Any]], submit: str, **values: Any
) -> Response:
    values.setdefault("actions", top_actions(call))
    cancel = values["crumbs"][-2][1] if len(values.get("crumbs", ())) > 1 else "/"
    status = 400 if values.get("problem") else 200
    more = {"action": action, "fields": fields, "submit": submit, "cancel": cancel}
    return show(call, "form.html", title, status, **more, **values)


def trail(call: Call, path: str) -> list[tuple[str, str]]:
    found, so_far = [], ""
    for part in path.split("/") if path else ():
        so_far = f"{so_far}/{part}".strip("/")
        item = call.server.store.item(so_far)
        found.append(((item.display_name if item else "") or part, "/" + job_path(so_far)))
    return found


def side(call: Call) -> dict[str, Any]:
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


def top_actions(call: Call, current: str = "") -> list[tuple[str, str, bool]]:
    entries = [("Jobs", "/"), ("Queue and executors", "/computer/"), ("Repositories", "/repositories/")]
    if call.caller.known:
        entries.insert(1, ("New job", "/newJob"))
        entries += [("Credentials", "/credentials/"), ("People", "/asynchPeople/"), ("Manage", "/manage")]
    here = call.request.path.rstrip("/")
    return [(label, address, address.rstrip("/") == here) for label, address in entries]


def folder_actions(call: Call, item: Item) -> list[tuple[str, str, bool]]:
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


def job_actions(call: Call, item: Item, current: str) -> list[tuple[str, str, bool]]:
    base = "/" + job_path(item.path)
    entries = [("Status", ""), ("Changes", "changes")]
    if call.caller.known:
        entries += [("Workspace", "ws"), ("Configure", "configure"), ("Delete", "delete")]
    return [(label, base + name, name == current) for label, name in entries]


def build_actions(call: Call, item: Item, record: Build, current: str) -> list[tuple[str, str, bool]]:
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


def build_line(call: Call, item: Item, build: Build) -> dict[str, Any]:
    return {
        "number": build.number,
        "name": build.display_name or f"#{build.number}",
        "started": build.started,
        "building": build.building,
        "colour": build_colour(build),
        "status": build_status(build),
        "percent": call.beans.progress(item, build) if build.building else -1,
    }


def build_colour(build: Build) -> str:
    return "running" if build.building else COLOURS.get(build.result, "notbuilt")


def build_status(build: Build) -> str:
    return "IN_PROGRESS" if build.building else build.result


def took(build: Build) -> int:
    return now() - build.started if build.building else build.duration


def stage_cell(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": node["id"],
        "name": node["name"],
        "status": node["status"],
        "colour": STAGE_COLOURS.get(node["status"], "notbuilt"),
        "error": node["error"],
        "milliseconds": max(0, (node["ended"] or now()) - node["started"]) if node["started"] else 0,
    }


def link(text: str, path: str) -> dict[str, str]:
    return {"text": text, "address": "/" + path}


def code(text: str) -> dict[str, Any]:
    return {"text": text, "code": True}


def archived(call: Call, item: Item, record: Build) -> list[tuple[str, int]]:
    folder = call.server.home.build(item.id, record.number)
    return [(str(relative), path.stat().st_size) for path, relative in artifacts(folder)]
