"""What the CI server built last, over Jenkins' remote API, which ours and the real one speak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import urllib3
from flask import Blueprint, abort, jsonify
from flask.typing import ResponseReturnValue

from console import asking
from console.access import logged_in
from console.folder import Folder

KEPT = 8  # builds shown of a job
JOB = f"name,url,color,builds[number,url,result,building,timestamp,duration]{{0,{KEPT}}}"
# Jobs, and those within folders and multibranch projects.
PATH = f"/api/json?tree=jobs[{JOB},jobs[{JOB}]]"


def routes(folder: Folder, http: urllib3.PoolManager) -> Blueprint:
    blueprint = Blueprint("builds", __name__)

    @blueprint.get("/api/builds")
    def builds() -> ResponseReturnValue:
        """Our CI may be read by everybody; a server that asks who it is needs a login here, too."""
        server = asking.provider(folder, "ci")
        if server is None:
            return jsonify(server=None, url=None, jobs=[])
        data = asking.ask(http, server, PATH, login=logged_in())
        place = server.endpoints[0]
        try:
            jobs = list(_jobs(data["jobs"], place.port))
        except (KeyError, TypeError, AttributeError):
            abort(502, f"{server.title} does not answer as Jenkins does")
        return jsonify(server=server.title, url=place.url, jobs=jobs)

    return blueprint


def _jobs(found: list[dict[str, Any]], port: int, within: str = "") -> Iterator[dict[str, Any]]:
    for job in found:
        name = within + job["name"]
        if "builds" in job:
            builds = [{**build, "url": _outside(build["url"], port)} for build in job["builds"][:KEPT]]
            yield {"name": name, "url": _outside(job["url"], port), "color": job.get("color") or "", "builds": builds}
        yield from _jobs(job.get("jobs") or [], port, f"{name} » ")


def _outside(url: str, port: int) -> str:
    """The server's address of something, at the port that the user's computer has for it: it may tell the inner one."""
    return f"http://localhost:{port}{urlsplit(url).path}" if port else ""
