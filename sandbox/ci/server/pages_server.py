"""The pages of the server itself: logging in, queue and nodes, credentials, repositories, people."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from werkzeug.exceptions import Forbidden, NotFound
from werkzeug.utils import send_file
from werkzeug.wrappers import Response

from sandbox.ci.server import credentials, streams
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.page import (
    HERE,
    code,
    known,
    link,
    show,
    table,
    top_actions,
    trail,
)
from sandbox.ci.server.repositories import GitError
from sandbox.ci.server.security import ADMIN
from sandbox.ci.server.web import COOKIE, Call, get, post

STATIC = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "theme.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@get("/static/<name>")
def static(call: Call, name: str) -> Response:
    if name not in STATIC:
        raise NotFound(name)
    response = send_file(HERE / "static" / name, call.request.environ, mimetype=STATIC[name])
    response.headers["Cache-Control"] = "public, max-age=86400" if call.request.args.get("v") else "no-cache"
    return response


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


@get("/queue", "/computer", "/computer/<name>")
def queue_and_nodes(call: Call, name: str = "") -> Response:
    scheduler = call.server.scheduler
    if name and call.server.agents.get(name) is None:
        raise NotFound(f"There is no node {name}")
    waiting = [
        {
            "cells": [link(each.item.path, job_path(each.item.path)), each.why, {"moment": each.queued.since}],
            "actions": [("Cancel", f"/queue/item/{each.queued.id}/cancelQueue", "")],
        }
        for each in scheduler.waiting()[:200]
    ]
    running = [
        {
            "cells": [
                link(f"{each.job} #{each.number}", f"{job_path(each.job)}{each.number}/"),
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
    return table(call, "Queue and executors", tables, top_actions(call, "computer"), topics="queue,executors")


@get("/credentials", "/credentials/store/system", "/credentials/store/system/domain/_", "/<jobs:path>/credentials")
def credential_list(call: Call, path: str = "") -> Response:
    known(call)
    base = f"/{job_path(path)}credentials/store/{'folder' if path else 'system'}/domain"
    rows = []
    for domain in call.server.store.domains(path):
        for id, xml in call.server.store.credentials(path, domain).items():
            read = credentials.read(xml)
            action = f"{base}/{quote(domain, safe='')}/credential/{quote(id, safe='')}/doDelete"
            rows.append(
                {
                    "cells": [code(id), credentials.type_name(xml), read.username or read.file_name, read.description],
                    "actions": [("Delete", action, f"Delete the credentials {id}?")],
                }
            )
    tables = [("", ("Id", "Kind", "User or file", "Description"), rows)]
    create = ("Add credentials", f"/{job_path(path)}credentials/new")
    actions = top_actions(call, "credentials")
    return table(call, "Credentials", tables, actions, create=create, crumbs=[*trail(call, path), ("Credentials", "")])


@get("/repositories")
def repository_list(call: Call) -> Response:
    rows = []
    for name in call.server.repositories.names():
        try:
            heads = call.server.repositories.heads(name)
        except GitError:
            heads = []
        rows.append({"cells": [name, code(f"{call.url}git/{name}.git"), ", ".join(head.branch for head in heads[:8])]})
    tables = [("", ("Name", "Clone and push here", "Branches"), rows)]
    create = ("New repository", "/repositories/new") if call.caller.known else None
    return table(call, "Repositories", tables, top_actions(call, "repositories"), create=create)


@get("/asynchPeople", "/people")
def people(call: Call) -> Response:
    rows = [
        {"cells": [link(id, f"user/{quote(id, safe='')}/"), row["full_name"], row["description"]]}
        for id, row in call.server.store.users().items()
    ]
    return table(call, "People", [("", ("User", "Name", "Description"), rows)], top_actions(call))


@get("/user/<id>")
def user_page(call: Call, id: str) -> Response:
    return _user(call, id, None)


@get("/me")
def my_page(call: Call) -> Response:
    known(call)
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
    return table(call, str(row["full_name"]), tables, top_actions(call), secret=secret)


@get("/whoAmI")
def who_am_i(call: Call) -> Response:
    caller = call.caller
    rows = [
        {"cells": ["Name", caller.full_name]},
        {"cells": ["Logged in", "yes" if caller.known else "no: anonymous may only read"]},
        {"cells": ["May", "read, build, configure" if caller.known else "read"]},
    ]
    return table(call, "Who am I?", [("", ("", ""), rows)], top_actions(call))


@get("/manage")
def manage(call: Call) -> Response:
    known(call)
    quieting = call.server.scheduler.quieting
    rows: list[dict[str, Any]] = [
        {"cells": [link("Queue and executors", "computer/"), "what runs and waits; nodes"]},
        {"cells": [link("Credentials", "credentials/"), "passwords, keys and files for builds"]},
        {"cells": [link("People", "asynchPeople/"), "users and their API tokens"]},
        {"cells": [link("Repositories", "repositories/"), "hosted here, for clone and push"]},
        {"cells": [link("Metrics", "prometheus/"), "for Prometheus"]},
        {
            "cells": ["Builds", "no further ones are started" if quieting else "are started as they come"],
            "actions": [
                ("Go on", "/cancelQuietDown", "") if quieting else ("Hold back", "/quietDown", ""),
                ("Restart when builds have ended", "/safeRestart", "Restart the server when no build runs any more?"),
            ],
        },
    ]
    return table(call, "Manage", [("", ("Part", "What"), rows)], top_actions(call))
