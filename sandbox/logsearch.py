"""Lines searched in a log store: Elasticsearch, or logstore, which speaks the same part of its API."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from sandbox.engine import LogLine
from sandbox.errors import SandboxError, UsageError

SECONDS = 10.0
MOST = 10_000  # what a store gives at once
LATE = 10.0  # seconds for which a line may be on its way to the store
OPERATORS = re.compile(r"\b(?:OR|NOT)\b|\|\||[!()\[\]{}*?~^\"/<>]|(?:^|\s)[-+]")


@dataclass(frozen=True)
class FoundLine:
    """A line of a log. `time` is RFC 3339; `level` may be empty; `document` has all its fields."""

    service: str
    time: str
    level: str
    message: str
    document: dict[str, Any] = field(default_factory=dict)


class LogStore:
    """A store at `url`, asked as `login` (user, password). Methods raise SandboxError."""

    def __init__(self, url: str, login: tuple[str, str] | None) -> None:
        self.url, self.login = url, login

    def search(
        self, query: str, services: Sequence[str], since: float | None, most: int
    ) -> tuple[list[FoundLine], int]:
        """The newest lines that match, oldest first, and how many match in all. `since` in seconds since 1970."""
        hits, total = self._hits(query, services, since, most)
        return [_line(hit["_source"]) for hit in hits], total

    def follow(
        self, query: str, services: Sequence[str], since: float, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[FoundLine]:
        """Lines that match as they come, for ever. Lines that arrive late are told late."""
        told: dict[str, float] = {}
        while True:
            hits, _ = self._hits(query, services, since, MOST)
            for hit in hits:
                if hit["_id"] not in told:
                    told[hit["_id"]] = _seconds(hit["_source"]["@timestamp"])
                    yield _line(hit["_source"])
            since = max(since, max(told.values(), default=since) - LATE)
            told = {id: moment for id, moment in told.items() if moment >= since - 1}
            sleep(1)

    def _hits(
        self, query: str, services: Sequence[str], since: float | None, most: int
    ) -> tuple[list[dict[str, Any]], int]:
        filters: list[dict[str, Any]] = []
        if services:
            filters.append({"terms": {"data_stream.dataset": [name.replace("-", "_") for name in services]}})
        if since is not None:
            filters.append({"range": {"@timestamp": {"gte": int(since * 1000)}}})
        must = [{"query_string": {"query": query, "default_operator": "and"}}] if query.strip() else []
        body = {
            "size": min(most, MOST),
            "query": {"bool": {"must": must, "filter": filters}},
            "sort": [{"@timestamp": "desc"}, {"_doc": "desc"}],
            "track_total_hits": True,
        }
        found = self._ask("/logs-*/_search", body)["hits"]
        return list(reversed(found["hits"])), int(found["total"]["value"])

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        try:
            with requests.Session() as session:
                session.trust_env = False  # loopback never goes through a proxy
                answer = session.post(self.url + path, json=body, auth=self.login, timeout=SECONDS)
        except requests.RequestException as error:
            raise SandboxError(f"the log store does not answer: {error}", "`sandbox status`") from None
        if answer.status_code == 400:
            raise UsageError(f"the log store cannot read the search: {_reason(answer)}")
        if not answer.ok:
            reason = f"HTTP {answer.status_code}: {_reason(answer)}"
            raise SandboxError(f"the log store answers {reason}", "`sandbox status`")
        return answer.json()


def plain_search(query: str, lines: Iterable[LogLine]) -> Iterator[FoundLine]:
    """Where no store runs: lines in which all words of the query occur; of `field:word` only the word counts.

    Raises UsageError for what needs a store.
    """
    if OPERATORS.search(query):
        raise UsageError(
            f"without a log store only words joined by AND can be searched, not {query!r}",
            "`sandbox up logstore shipper` starts a store",
        )
    words = [word.rpartition(":")[2].lower() for word in query.split() if word not in ("AND", "&&")]
    for line in lines:
        text = f"{line.container} {line.text}".lower()
        if all(word in text for word in words):
            yield FoundLine(line.container, line.time, "", line.text)


def _line(source: dict[str, Any]) -> FoundLine:
    return FoundLine(
        service=str(_value(source, "service.name")),
        time=str(source["@timestamp"]),
        level=str(_value(source, "log.level")),
        message=str(_value(source, "message")),
        document=source,
    )


def _value(source: dict[str, Any], path: str) -> Any:
    """A field that may be written `{"log.level": …}` or `{"log": {"level": …}}`; empty when it is not there."""
    if path in source:
        return source[path]
    head, _, rest = path.partition(".")
    inner = source.get(head)
    return _value(inner, rest) if rest and isinstance(inner, dict) else ""


def _seconds(time: Any) -> float:
    if isinstance(time, int | float):
        return time / 1000
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(time)))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _reason(answer: requests.Response) -> str:
    try:
        error = answer.json()["error"]
        causes = error.get("root_cause") or [error]
        return str(causes[0].get("reason") or error.get("reason"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:200]
