"""What comes in and what goes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from logstore.errors import ApiError
from logstore.indices import Index
from logstore.store import Store

Json = dict[str, Any]
ACKNOWLEDGED = {"acknowledged": True}


@dataclass(frozen=True)
class Request:
    """What came in. `path` holds the named parts of the address."""

    method: str
    path: dict[str, str]
    query: dict[str, str]
    body: bytes
    accept: str = ""

    @property
    def json(self) -> Json:
        """The body as an object; empty when there is none. Raises ApiError."""
        if not self.body.strip():
            return {}
        try:
            data = orjson.loads(self.body)
        except ValueError as error:
            raise ApiError(400, "parse_exception", f"request body is no JSON: {error}") from None
        if not isinstance(data, dict):
            raise ApiError(400, "parse_exception", "request body must be a JSON object")
        return data

    def targets(self, store: Store) -> list[Index]:
        """The indices that the address names; all when it names none. Raises ApiError."""
        allow_none = self.query.get("allow_no_indices", "true") != "false"
        return store.indices.resolve(self.path.get("index") or "*", allow_none, self.flag("ignore_unavailable"))

    def flag(self, name: str) -> bool:
        return name in self.query and self.query[name] not in ("false", "0")


@dataclass(frozen=True)
class Answer:
    """What goes out. A body that is text goes as plain text, anything else as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def wanted_source(query: dict[str, str]) -> bool | Json | None:
    """What of a document to show, as the address asks: all, none, some of its fields; None when it does not say."""
    given = query.get("_source", "true")
    if given == "false":
        return False
    fields = "" if given == "true" else given
    includes, excludes = query.get("_source_includes", fields), query.get("_source_excludes", "")
    if includes or excludes:
        return {
            "includes": includes.split(",") if includes else [],
            "excludes": excludes.split(",") if excludes else [],
        }
    return True if "_source" in query else None
