from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from logstore.api import Api
from logstore.server import Server
from logstore.store import Limits, Store

PASSWORD, READER_PASSWORD = "secret", "only look"
LOGIN, READER = "Basic ZWxhc3RpYzpzZWNyZXQ=", "Basic cmVhZGVyOm9ubHkgbG9vaw=="
Ask = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def ask(store: Store) -> Ask:
    return asking(store)


def asking(store: Store) -> Ask:
    """Asks the server: method, path, body (object, bytes or nothing). Fails unless the status is as expected."""
    server = Server(Api(store), PASSWORD, READER_PASSWORD)

    def call(method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path.encode().decode("latin-1"),
            "QUERY_STRING": query,
            "HTTP_AUTHORIZATION": LOGIN,
            "wsgi.input": io.BytesIO(data),
            **headers,
        }
        seen: list[str] = []
        answer = b"".join(server(environ, lambda status, headers: seen.append(status)))
        assert seen[0].startswith(str(status)), (seen[0], answer[:500])
        return orjson.loads(answer) if answer[:1] in (b"{", b"[") else answer.decode()

    return call


def bulk(index: str, documents: list[dict[str, Any]], action: str = "create") -> bytes:
    lines: list[Any] = []
    for document in documents:
        id = {"_id": document["_id"]} if "_id" in document else {}
        lines += [{action: {"_index": index, **id}}, {k: v for k, v in document.items() if k != "_id"}]
    return b"\n".join(orjson.dumps(line) for line in lines) + b"\n"


def roll(store: Store) -> None:
    """Begins a new generation now."""
    limits = store.limits
    store.refresh()
    store.limits = Limits(disk=1)
    store._roll_if_due()
    store.limits = limits
