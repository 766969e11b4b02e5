"""The Elasticsearch API that lines are sent to: Elasticsearch itself, or logstore."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

Document = tuple[str, str, dict[str, Any]]
SECONDS = 30
TYPE = "application/json"


class Refused(Exception):
    """The store answered, but not as it should: it is asked again later."""


class Store:
    """One connection, kept open. Methods raise OSError, HTTPException or Refused when they did not succeed."""

    def __init__(self, url: str, user: str, password: str) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 9200, timeout=SECONDS)
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}", "Content-Type": TYPE, "Accept": TYPE}

    def newest(self, container: str) -> float:
        """When the container's newest line in the store was printed, in seconds since 1970; 0 if there is none."""
        body = {
            "size": 0,
            "query": {"term": {"container.id": container}},
            "aggs": {"newest": {"max": {"field": "event.created"}}},
        }
        answer = self._ask("POST", "/logs-*-sandbox/_search", json.dumps(body).encode())
        return float(answer["aggregations"]["newest"]["value"] or 0) / 1000

    def refresh(self) -> None:
        """What was sent is found by `newest`."""
        self._ask("POST", "/logs-*-sandbox/_refresh", b"")

    def send(self, documents: Sequence[Document]) -> list[tuple[Document, str]]:
        """Sends documents. Returns those that will never be taken, with the reason.

        Raises Refused when some must be sent again: all may be, as those that are there already stay as they are.
        """
        lines = []
        for stream, id, fields in documents:
            lines.append(json.dumps({"create": {"_index": stream, "_id": id}}))
            lines.append(json.dumps(fields))
        answer = self._ask("POST", "/_bulk", ("\n".join(lines) + "\n").encode())
        if not answer["errors"]:
            return []
        results = [item["create"] for item in answer["items"]]
        later = [result for result in results if result["status"] == 429 or result["status"] >= 500]
        if later:
            raise Refused(f"{len(later)} documents later: {later[0]['error']['reason']}")
        return [
            (document, f"{result['error']['type']}: {result['error']['reason']}")
            for document, result in zip(documents, results, strict=True)
            if result["status"] >= 400 and result["status"] != 409
        ]

    def close(self) -> None:
        self.connection.close()

    def _ask(self, method: str, path: str, body: bytes) -> Any:
        try:
            self.connection.request(method, path, body, self.headers)
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        if response.status >= 400:
            raise Refused(f"{method} {path}: HTTP {response.status} {content[:200].decode(errors='replace')}")
        return json.loads(content)
