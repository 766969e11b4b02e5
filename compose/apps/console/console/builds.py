"""What the CI server built last, over Jenkins' remote API, which ours and the real one speak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
            jobs = list(_jobs(data["jobs"]))
        except (KeyError, TypeError, AttributeError):
            abort(502, f"{server.title} does not answer as Jenkins does")
        return jsonify(server=server.title, url=place.url, jobs=jobs)

    return blueprint


def _jobs(found: list[dict[str, Any]], within: str = "") -> Iterator[dict[str, Any]]:
    for job in found:
        name = within + job["name"]
        if "builds" in job:
            yield {"name": name, "url": job["url"], "color": job.get("color") or "", "builds": job["builds"][:KEPT]}
        yield from _jobs(job.get("jobs") or [], f"{name} » ")
