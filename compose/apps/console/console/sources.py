"""The data sources of dashboards, passed on to the browser: questions only, and only those that panels ask."""

from __future__ import annotations

import re
from collections.abc import Mapping

import urllib3
from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from console.access import require_login
from console.folder import Folder

TIMEOUT = urllib3.Timeout(connect=2.0, read=25.0)
LARGEST = 32 * 1024**2  # bytes of one answer
# What may be asked, by type of source: method -> path. None of it changes anything.
QUESTIONS: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "prometheus": {
        "GET": re.compile(r"api/v1/(rules|alerts|labels|series|metadata|label/\w+/values|query|query_range)"),
        "POST": re.compile(r"api/v1/(query|query_range)"),
    },
    "alertmanager": {"GET": re.compile(r"api/v2/(alerts|alerts/groups|silences|receivers)")},
    "elasticsearch": {"POST": re.compile(r"[\w*.,-]+/_search")},
}


def routes(folder: Folder, http: urllib3.PoolManager) -> Blueprint:
    blueprint = Blueprint("sources", __name__, url_prefix="/api/sources")

    @blueprint.get("")
    def sources() -> ResponseReturnValue:
        """What panels must know to ask: neither addresses nor logins."""
        told = [
            {"uid": s.uid, "type": s.type, "name": s.name, "interval": s.interval, "index": s.index}
            | {"timeField": s.time_field}
            for s in folder.sources()
        ]
        return jsonify(sources=told)

    @blueprint.route("/<uid>/<path:path>", methods=["GET", "POST"])
    def ask(uid: str, path: str) -> ResponseReturnValue:
        source = next((s for s in folder.sources() if s.uid == uid), None)
        if source is None:
            abort(404, f"this sandbox has no data source {uid}")
        question = QUESTIONS.get(source.type, {}).get(request.method)
        if question is None or not question.fullmatch(path):
            abort(403, f"{request.method} {path} is not passed on")
        headers = {"Content-Type": request.content_type or "application/octet-stream"}
        if source.login:  # what needs a login there needs one here
            require_login()
            headers |= urllib3.make_headers(basic_auth=f"{source.login.user}:{source.login.password}")
        try:
            answer = http.request(
                request.method,
                f"{source.url}/{path}?{request.query_string.decode()}".removesuffix("?"),
                body=request.get_data() or None,
                headers=headers,
                timeout=TIMEOUT,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError:
            abort(502, f"{source.name} does not answer")
        body = answer.read(LARGEST + 1, decode_content=True)
        answer.drain_conn() if len(body) <= LARGEST else answer.close()
        if len(body) > LARGEST:
            abort(502, f"{source.name} answers with more than {LARGEST // 1024**2} MB: ask for less")
        # Whatever the source calls it, the browser must never take it for a page.
        return Response(body, status=answer.status, content_type="application/json")

    return blueprint
