"""Searches of logs: what is asked of the store, how answers are read, and the words alone without a store."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sandbox.engine import LogLine
from sandbox.errors import SandboxError, UsageError
from sandbox.logsearch import LogStore, plain_search

TIME = "2026-11-24T10:00:00.123456789Z"


class Store(HTTPServer):
    """Answers each search with the next of `answers`, and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def will_find(self, *sources: dict[str, Any], total: int | None = None) -> None:
        hits = [{"_id": str(source.get("n", 0)), "_source": {"@timestamp": TIME, **source}} for source in sources]
        self.answers.append((200, {"hits": {"total": {"value": total or len(hits)}, "hits": hits}}))


class Handler(BaseHTTPRequestHandler):
    server: Store

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, answer = self.server.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        thread = threading.Thread(target=store.serve_forever)
        thread.start()
        yield store
        store.shutdown()
        thread.join()


def asking(store: Store) -> LogStore:
    return LogStore(f"http://127.0.0.1:{store.server_port}", ("elastic", "x"))


def test_newest_lines_come_oldest_first_with_nested_or_dotted_fields(store: Store) -> None:
    store.will_find({"n": 2, "message": "b", "log.level": "error"}, {"n": 1, "log": {"level": "info"}}, total=9)
    lines, total = asking(store).search("level:error", ["web-shop"], 1.5, 2)
    assert [(line.level, line.message, line.document["n"]) for line in lines] == [("info", "", 1), ("error", "b", 2)]
    assert total == 9
    query = store.asked[0]["query"]["bool"]
    assert query["must"][0]["query_string"]["query"] == "level:error"
    assert {"terms": {"data_stream.dataset": ["web_shop"]}} in query["filter"]
    assert {"range": {"@timestamp": {"gte": 1500}}} in query["filter"]


def test_following_tells_each_line_once(store: Store) -> None:
    store.will_find({"n": 1})
    store.will_find({"n": 2}, {"n": 1})
    store.will_find({"n": 2}, {"n": 3})
    following = asking(store).follow("", [], 0.0, sleep=lambda seconds: None)
    assert [next(following).document["n"] for _ in range(3)] == [1, 2, 3]
    assert store.asked[0]["query"]["bool"]["must"] == []


def test_search_that_the_store_cannot_read_is_the_users_mistake(store: Store) -> None:
    store.answers.append((400, {"error": {"root_cause": [{"reason": "Failed to parse query [(]"}]}}))
    with pytest.raises(UsageError, match="Failed to parse query"):
        asking(store).search("(", [], None, 1)


def test_store_that_fails_or_is_gone_is_named(store: Store) -> None:
    store.answers.append((503, "no JSON object"))
    with pytest.raises(SandboxError, match="HTTP 503"):
        asking(store).search("x", [], None, 1)
    with pytest.raises(SandboxError, match="does not answer"):
        LogStore("http://127.0.0.1:9", None).search("x", [], None, 1)


PRINTED = [("orders", "ERROR disk full"), ("gateway", "all well"), ("orders", "ok")]
LINES = [LogLine(container, TIME, text) for container, text in PRINTED]


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("level:error AND service.name:orders", ["ERROR disk full"]),
        ("Full disk", ["ERROR disk full"]),
        ("Full && disk", ["ERROR disk full"]),
        ("orders", ["ERROR disk full", "ok"]),
        ("", ["ERROR disk full", "all well", "ok"]),
        ("nothing", []),
    ],
)
def test_plain_search_wants_every_word(query: str, texts: list[str]) -> None:
    assert [line.message for line in plain_search(query, LINES)] == texts


@pytest.mark.parametrize("query", ["a OR b", "a || b", "NOT a", "!a", "-a", "wild*", '"two words"', "(a)", "took:>5"])
def test_plain_search_says_what_it_cannot_do(query: str) -> None:
    with pytest.raises(UsageError, match="without a log store"):
        list(plain_search(query, LINES))
