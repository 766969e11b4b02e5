"""Searches in the log store, for those who signed in: its own login stays here."""

from __future__ import annotations

import re
from typing import Any

import urllib3
from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from console import asking
from console.access import require_login
from console.folder import Folder, Service

LINES = 200
SINCE = re.compile(r"\d{1,4}[smhd]")
TIME, LEVEL, SERVICE = "@timestamp", "log.level", "service.name"


def routes(folder: Folder, http: urllib3.PoolManager) -> Blueprint:
    blueprint = Blueprint("logs", __name__)

    @blueprint.get("/api/logs/store")
    def store() -> ResponseReturnValue:
        """Which log store there is, and where its own explorer is."""
        found = asking.provider(folder, "logs")
        explorer = _explorer(folder.services())
        return jsonify(store=found.title if found else None, explorer=explorer)

    @blueprint.get("/api/logs")
    def search() -> ResponseReturnValue:
        """The newest lines that match: `q` in Lucene's language, `since` like 15m."""
        require_login()
        found = asking.provider(folder, "logs")
        if found is None:
            abort(404, "this sandbox has no log store")
        query, since = request.args.get("q", "").strip(), request.args.get("since", "15m")
        if not SINCE.fullmatch(since):
            abort(400, f"since must be a number and s, m, h or d, like 15m; not {since!r}")
        must = [{"query_string": {"query": query, "default_operator": "and"}}] if query else []
        body = {
            "size": LINES,
            "query": {"bool": {"must": must, "filter": [{"range": {TIME: {"gte": f"now-{since}"}}}]}},
            "sort": [{TIME: "desc"}],
            "track_total_hits": True,
        }
        data = asking.ask(http, found, "/logs-*/_search", body)
        try:
            hits, total = data["hits"]["hits"], data["hits"]["total"]["value"]
            lines = [_line(hit["_source"]) for hit in hits]
        except (KeyError, TypeError):
            abort(502, f"{found.title} does not answer as Elasticsearch does")
        return jsonify(total=total, lines=lines)

    return blueprint


def _explorer(services: list[Service]) -> str | None:
    """Kibana's address, else that of the light store, which brings its own page."""
    places = {s.name: s.endpoints[0].url for s in services if s.endpoints}
    return places.get("kibana") or places.get("logstore")


def _line(source: dict[str, Any]) -> dict[str, str]:
    return {
        "time": _field(source, TIME),
        "level": _field(source, LEVEL),
        "service": _field(source, SERVICE),
        "message": _field(source, "message"),
    }


def _field(source: dict[str, Any], name: str) -> str:
    """A field whether it is written with dots or as objects within objects."""
    if name in source:
        return str(source[name])
    first, _, rest = name.partition(".")
    inner = source.get(first)
    return _field(inner, rest) if rest and isinstance(inner, dict) else ""
