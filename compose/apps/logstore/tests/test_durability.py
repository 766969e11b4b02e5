"""What was acknowledged is there after a kill; a torn or full disk stops nothing; the oldest goes first."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from logstore.errors import ApiError
from logstore.journal import Journal, record
from logstore.search import Search
from logstore.store import Limits, Operation, Outcome, Store

from .conftest import LOGIN, PASSWORD, bulk, roll

TIME = "2026-11-24T10:00:00Z"
COMMAND = [sys.executable, "-m", "logstore"]
APP = Path(__file__).parent.parent


def put(store: Store, *ids: str, text: str = "hello") -> list[Outcome]:
    source = orjson.dumps({"@timestamp": TIME, "message": text})
    return store.write([Operation("create", "logs-a-b", id, source) for id in ids])


def count(store: Store) -> int:
    store.refresh()
    return Search(store, store.indices.resolve("*"), {}).count()


def killed(store: Store) -> Store:
    """The store as it is found after its process was killed: nothing more is committed."""
    for generation in store.generations:
        generation.abandon()
    return Store(store.folder, store.limits)


class Process:
    """A real server that can be killed and started again on the same folder."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environ = {
            **os.environ, "LOGSTORE_PASSWORD": PASSWORD, "LOGSTORE_FOLDER": str(folder),
            "LOGSTORE_PORT": str(self.port),
        }  # fmt: skip
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "logstore"], cwd=APP, env=self.environ, stdout=subprocess.DEVNULL
        )
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/healthy", timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not start")

    def stop(self, signal: int) -> int:
        self.process.send_signal(signal)
        return self.process.wait(20)

    def ask(self, path: str, body: bytes = b"") -> Any:
        headers = {"Authorization": LOGIN, "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body or None, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return orjson.loads(answer.read())


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "data")
    yield process
    if process.process.poll() is None:
        process.stop(signal.SIGKILL)


def test_acknowledged_documents_survive_kill_9_again_and_again(process: Process) -> None:
    acknowledged: set[str] = set()
    for life in range(4):
        stop = threading.Event()

        def write(life: int = life, stop: threading.Event = stop) -> None:
            number = 0
            while not stop.is_set():
                ids = [f"{life}-{number}-{n}" for n in range(20)]
                try:
                    answer = process.ask(
                        "/_bulk", bulk("logs-a-b", [{"_id": id, "@timestamp": TIME, "n": 1} for id in ids])
                    )
                except (OSError, http.client.HTTPException):  # killed, perhaps in the middle of its answer
                    return
                assert not answer["errors"]
                acknowledged.update(ids)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.4 + life * 0.5)  # the kill meets a journal alone, and commits under way
        process.stop(signal.SIGKILL)
        stop.set()
        writer.join()
        process.start()
        found = process.ask("/logs-a-b/_search?size=10000&_source=false&sort=_doc")["hits"]["hits"]
        ids = [hit["_id"] for hit in found]
        if len(ids) < 10_000:
            assert acknowledged <= set(ids)
        assert process.ask("/logs-a-b/_count")["count"] >= len(acknowledged)
        assert len(ids) == len(set(ids))
    assert len(acknowledged) > 200


def test_sigterm_ends_it_in_order(process: Process) -> None:
    process.ask("/plain/_doc", b'{"n":1}')
    assert process.stop(signal.SIGTERM) == 0
    process.start()
    assert process.ask("/plain/_count")["count"] == 1


def test_journal_is_played_again_and_playing_it_twice_changes_nothing(store: Store) -> None:
    put(store, "1", "2")
    store.write([Operation("index", "plain", "x", b'{"n":1}'), Operation("index", "plain", "x", b'{"n":2}')])
    store.write([Operation("index", "plain", "y", b'{"n":1}'), Operation("delete", "plain", "y")])
    saved = {path.name: path.read_bytes() for path in store.folder.glob("journal-*")}
    store = killed(store)
    assert count(store) == 3
    for name, content in saved.items():
        (store.folder / name).write_bytes(content)
    store = killed(store)
    assert count(store) == 3
    assert store.get(store.indices.indices["plain"], "x") == b'{"n":2}'
    assert [outcome.error.status for outcome in put(store, "1", "3") if outcome.error] == [409]
    store.close()


@pytest.mark.parametrize("damage", ["torn", "garbage", "empty", "flipped"])
def test_damaged_journal_loses_only_what_is_damaged(store: Store, damage: str) -> None:
    put(store, "1")
    put(store, "2")
    put(store, "3")
    [path] = store.folder.glob("journal-*")
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    flipped = lines[1].replace(b"hello", b"jello")
    changed = {
        "torn": content[:-9],
        "garbage": content + b"\0" * 999,
        "empty": b"",
        "flipped": lines[0] + flipped + lines[2],
    }
    path.write_bytes(changed[damage])
    store = killed(store)
    assert count(store) == {"torn": 2, "garbage": 3, "empty": 0, "flipped": 2}[damage]
    assert put(store, "4")[0].error is None
    assert count(store) == {"torn": 3, "garbage": 4, "empty": 1, "flipped": 3}[damage]
    store.close()


def test_broken_generation_is_put_aside(store: Store) -> None:
    put(store, "old")
    roll(store)
    put(store, "new")
    store.close()
    (store.generations[0].folder / "meta.json").write_bytes(b"{torn")
    store = Store(store.folder)
    assert count(store) == 1
    assert [path.name[:13] for path in store.folder.glob("broken-*")] == ["broken-000001"]
    store.close()


def test_broken_names_are_put_aside(store: Store) -> None:
    put(store, "1")
    store.close()
    (store.folder / "state.json").write_bytes(b"{torn")
    store = Store(store.folder)
    put(store, "2")
    assert count(store) == 2
    store.close()


def test_full_disk_refuses_and_recovers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "1")
    real = os.write

    def full(fd: int, data: bytes) -> int:
        real(fd, bytes(data)[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ApiError) as refused:
        put(store, "2")
    assert refused.value.status == 429
    monkeypatch.undo()
    assert put(store, "3")[0].error is None
    store = killed(store)
    assert count(store) == 2
    store.close()


def test_index_that_cannot_be_written_is_mended_from_the_journal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "1")
    monkeypatch.setattr(type(store.current), "commit", lambda self, keep_writer: (_ for _ in ()).throw(OSError("full")))
    store.refresh()
    with pytest.raises(ApiError) as refused:
        put(store, "2")
    assert refused.value.status == 429
    monkeypatch.undo()
    store.maintain()
    assert put(store, "3")[0].error is None
    assert count(store) == 2


def test_disk_budget_deletes_the_oldest_first(store: Store) -> None:
    for generation in range(5):
        put(store, *(f"{generation}-{n}" for n in range(200)), text=f"generation {generation} " + os.urandom(200).hex())
        roll(store)
    store.limits = Limits(disk=store.size * 2 // 3)
    store.maintain()
    assert store.size <= store.limits.disk
    index = store.indices.indices["logs-a-b"]
    assert store.get(index, "0-0") is None
    assert store.get(index, "4-0") is not None
    assert 0 < count(store) < 1000


def test_age_deletes_the_oldest_first(store: Store) -> None:
    put(store, "old")
    roll(store)
    time.sleep(0.05)
    put(store, "new")
    store.limits = Limits(age=30)
    store._make_room()
    index = store.indices.indices["logs-a-b"]
    assert (store.get(index, "old"), count(store)) == (None, 1)


def test_documents_of_older_generations_are_replaced_and_deleted(store: Store) -> None:
    store.write([Operation("index", "plain", id, b'{"n":1}') for id in "abc"])
    roll(store)
    store.write([Operation("index", "plain", "a", b'{"n":2}'), Operation("delete", "plain", "b")])
    store = killed(store)
    assert count(store) == 2
    index = store.indices.indices["plain"]
    assert (store.get(index, "a"), store.get(index, "b"), store.get(index, "c")) == (b'{"n":2}', None, b'{"n":1}')
    [outcome] = store.write([Operation("create", "plain", "c", b"{}")])
    assert outcome.error and outcome.error.status == 409
    store.close()


def test_one_sync_serves_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: syncs.append(fd))
    journal = Journal(tmp_path)
    places = [journal.append([record(["create", "x", str(n), n], b"{}")]) for n in range(10)]
    for place in reversed(places):
        journal.sync(place)
    assert len(syncs) == 1


def test_half_closed_silent_and_slow_clients_do_not_stop_others(process: Process) -> None:
    process.ask("/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": TIME, "message": "x" * 1000}] * 5000))
    clients = []
    head = b"POST /_bulk HTTP/1.1\r\nHost: x\r\nAuthorization: " + LOGIN.encode() + b"\r\nContent-Length: 100\r\n\r\n"
    read = b"GET /_search?size=5000 HTTP/1.1\r\nHost: x\r\nAuthorization: " + LOGIN.encode() + b"\r\n\r\n"
    for sent in (b"", b"GET / HT", head, head + b'{"index":', read) * 10:
        client = socket.create_connection(("127.0.0.1", process.port))
        client.sendall(sent)
        if sent not in (b"", read):
            client.shutdown(socket.SHUT_WR)
        clients.append(client)
    for _ in range(3):
        assert process.ask("/logs-a-b/_count")["count"] == 5000
    assert process.process.poll() is None
    for client in clients:
        client.close()
