"""The pages."""

from __future__ import annotations

from html import escape

from werkzeug.wrappers import Response

from sandbox.ci.server.web import Call, get


def failure(call: Call, status: int, title: str, message: str) -> Response:
    return Response(f"<h1>{status} {escape(title)}</h1><p>{escape(message)}", status, mimetype="text/html")


@get(
    "/",
    "/<jobs:path>",
    "/<jobs:path>/<build:number>",
    "/queue",
    "/computer",
    "/asynchPeople",
    "/login",
    "/view/<name>",
    "/computer/<name>",
    "/user/<name>",
)
def page(call: Call, **values: str) -> Response:
    return Response("<h1>Dashboard [Jenkins]</h1>", mimetype="text/html")
