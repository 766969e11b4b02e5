"""What the server must not forget, in one SQLite file: jobs, builds, queue, views, users, credentials, agents.

Logs, artifacts and stages are files, one folder per build. A killed server loses nothing that was committed.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FOLDER, MULTIBRANCH, PIPELINE, FREESTYLE = "folder", "multibranch", "pipeline", "freestyle"

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, parent TEXT NOT NULL, kind TEXT NOT NULL,
    config TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', display_name TEXT NOT NULL DEFAULT '',
    disabled INTEGER NOT NULL DEFAULT 0, next_number INTEGER NOT NULL DEFAULT 1,
    declared TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS items_parent ON items(parent);
CREATE TABLE IF NOT EXISTS builds (
    id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE, number INTEGER NOT NULL,
    queue_id INTEGER NOT NULL, building INTEGER NOT NULL, result TEXT NOT NULL DEFAULT '',
    queued INTEGER NOT NULL, started INTEGER NOT NULL, duration INTEGER NOT NULL DEFAULT 0,
    display_name TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '', keep INTEGER NOT NULL DEFAULT 0,
    causes TEXT NOT NULL, parameters TEXT NOT NULL, source TEXT NOT NULL DEFAULT '{}',
    passed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
    UNIQUE(item, number));
CREATE INDEX IF NOT EXISTS builds_queue ON builds(queue_id);
CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE,
    since INTEGER NOT NULL, ready INTEGER NOT NULL, causes TEXT NOT NULL, parameters TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counts (
    item INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE, result TEXT NOT NULL,
    builds INTEGER NOT NULL, milliseconds INTEGER NOT NULL, PRIMARY KEY(item, result));
CREATE TABLE IF NOT EXISTS views (
    owner TEXT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL, PRIMARY KEY(owner, name));
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY, full_name TEXT NOT NULL, password TEXT NOT NULL, description TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS tokens (
    uuid TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE, name TEXT NOT NULL,
    digest TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS domains (
    owner TEXT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL, PRIMARY KEY(owner, name));
CREATE TABLE IF NOT EXISTS credentials (
    owner TEXT NOT NULL, domain TEXT NOT NULL, id TEXT NOT NULL, config TEXT NOT NULL,
    PRIMARY KEY(owner, domain, id));
CREATE TABLE IF NOT EXISTS agents (name TEXT PRIMARY KEY, config TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Item:
    """A job or a folder. `path` is the full name ("team/web"); `config` the XML as it was given.

    `declared` is what the last run of its Jenkinsfile said of it (JSON, empty before); `state` is for triggers.
    """

    id: int
    path: str
    kind: str
    config: str
    description: str = ""
    display_name: str = ""
    disabled: bool = False
    next_number: int = 1
    declared: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def holds_items(self) -> bool:
        return self.kind in (FOLDER, MULTIBRANCH)


@dataclass(frozen=True)
class Build:
    """A build's record. Times are milliseconds; `result` is empty while it is not known."""

    id: int
    item: int
    number: int
    queue_id: int
    building: bool
    result: str
    queued: int
    started: int
    duration: int
    display_name: str
    description: str
    keep: bool
    causes: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]
    source: Mapping[str, Any]
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def has_tests(self) -> bool:
        return self.passed + self.failed + self.skipped > 0


@dataclass(frozen=True)
class Queued:
    """A build that waits. `ready` is when its quiet period ends."""

    id: int
    item: int
    since: int
    ready: int
    causes: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]


class Taken(Exception):
    """The name is in use."""


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


BUILD_JSON = ("causes", "parameters", "source")
BUILD_FLAGS = ("building", "keep")


class Store:
    """All of the server's SQL. Any thread may call; writers take turns."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything or nothing; nests."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def _do(self, sql: str, *values: Any) -> int:
        with self._lock:
            return self._connection.execute(sql, values).lastrowid or 0

    # Items

    def item(self, path: str) -> Item | None:
        row = self._row("SELECT * FROM items WHERE path = ?", path)
        return _item(row) if row else None

    def item_by_id(self, id: int) -> Item | None:
        row = self._row("SELECT * FROM items WHERE id = ?", id)
        return _item(row) if row else None

    def children(self, parent: str) -> list[Item]:
        """What a folder holds ("" is the top), by name."""
        rows = self._rows("SELECT * FROM items WHERE parent = ? ORDER BY path COLLATE NOCASE", parent)
        return [_item(row) for row in rows]

    def items(self) -> list[Item]:
        return [_item(row) for row in self._rows("SELECT * FROM items ORDER BY path COLLATE NOCASE")]

    def create_item(self, path: str, kind: str, config: str, **more: Any) -> Item:
        """Raises Taken. `more` are fields of Item."""
        with self.transaction():
            if self.item(path):
                raise Taken(path)
            parent = path.rpartition("/")[0]
            self._do("INSERT INTO items(path, parent, kind, config) VALUES (?, ?, ?, ?)", path, parent, kind, config)
            item = self.item(path)
            assert item
            self.change_item(item.id, **more)
            return replace(item, **more)

    def change_item(self, id: int, **fields: Any) -> None:
        for name, value in fields.items():
            assert name in Item.__dataclass_fields__
            self._do(f"UPDATE items SET {name} = ? WHERE id = ?", json.dumps(value) if name == "state" else value, id)

    def move_item(self, item: Item, path: str) -> None:
        """Renames, and everything below with it. Raises Taken."""
        with self.transaction():
            if self.item(path):
                raise Taken(path)
            for each in [item, *(i for i in self.items() if i.path.startswith(item.path + "/"))]:
                target = path + each.path[len(item.path) :]
                self._do(
                    "UPDATE items SET path = ?, parent = ? WHERE id = ?", target, target.rpartition("/")[0], each.id
                )
                for table in ("views", "domains", "credentials"):
                    self._do(f"UPDATE {table} SET owner = ? WHERE owner = ?", target, each.path)

    def delete_item(self, item: Item) -> list[int]:
        """The ids of everything that went: itself and what it held."""
        with self.transaction():
            gone = [item, *(i for i in self.items() if i.path.startswith(item.path + "/"))]
            for each in gone:
                self._do("DELETE FROM items WHERE id = ?", each.id)
                for table in ("views", "domains", "credentials"):
                    self._do(f"DELETE FROM {table} WHERE owner = ?", each.path)
            return [each.id for each in gone]

    # Builds

    def begin_build(self, queued: Queued, started: int) -> Build:
        """Takes a build out of the queue and gives it its number, in one step."""
        with self.transaction():
            row = self._row("SELECT next_number FROM items WHERE id = ?", queued.item)
            assert row
            self._do("UPDATE items SET next_number = next_number + 1 WHERE id = ?", queued.item)
            self._do("DELETE FROM queue WHERE id = ?", queued.id)
            id = self._do(
                "INSERT INTO builds(item, number, queue_id, building, queued, started, causes, parameters)"
                " VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
                *(queued.item, row["next_number"], queued.id, queued.since, started),
                *(json.dumps(queued.causes), json.dumps(queued.parameters)),
            )
            build = self.build_by_id(id)
            assert build
            return build

    def change_build(self, id: int, **fields: Any) -> None:
        for name, value in fields.items():
            assert name in Build.__dataclass_fields__
            self._do(
                f"UPDATE builds SET {name} = ? WHERE id = ?", json.dumps(value) if name in BUILD_JSON else value, id
            )

    def end_build(self, id: int, result: str, duration: int) -> None:
        """Ends it, and counts it for ever (a discarded build stays counted)."""
        with self.transaction():
            self.change_build(id, building=0, result=result, duration=duration)
            self._do(
                "INSERT INTO counts SELECT item, result, 1, duration FROM builds WHERE id = ? ON CONFLICT DO UPDATE"
                " SET builds = builds + 1, milliseconds = milliseconds + excluded.milliseconds",
                id,
            )

    def build_by_id(self, id: int) -> Build | None:
        row = self._row("SELECT * FROM builds WHERE id = ?", id)
        return _build(row) if row else None

    def build(self, item: int, number: int) -> Build | None:
        row = self._row("SELECT * FROM builds WHERE item = ? AND number = ?", item, number)
        return _build(row) if row else None

    def build_of_queue(self, queue_id: int) -> Build | None:
        row = self._row("SELECT * FROM builds WHERE queue_id = ?", queue_id)
        return _build(row) if row else None

    def builds(self, item: int, limit: int = -1) -> list[Build]:
        """Newest first."""
        rows = self._rows("SELECT * FROM builds WHERE item = ? ORDER BY number DESC LIMIT ?", item, limit)
        return [_build(row) for row in rows]

    def find_build(self, item: int, condition: str = "1", newest: bool = True) -> Build | None:
        """`condition` is SQL of ours, never of a caller's."""
        order = "DESC" if newest else "ASC"
        sql = f"SELECT * FROM builds WHERE item = ? AND ({condition}) ORDER BY number {order} LIMIT 1"
        row = self._row(sql, item)
        return _build(row) if row else None

    def unfinished_builds(self) -> list[Build]:
        return [_build(row) for row in self._rows("SELECT * FROM builds WHERE building = 1")]

    def build_count(self, item: int) -> int:
        row = self._row("SELECT count(*) AS n FROM builds WHERE item = ?", item)
        return row["n"] if row else 0

    def delete_build(self, id: int) -> None:
        self._do("DELETE FROM builds WHERE id = ?", id)

    def counts(self, item: int) -> dict[str, tuple[int, int]]:
        """By result: how many builds ended so, and their milliseconds together."""
        rows = self._rows("SELECT * FROM counts WHERE item = ?", item)
        return {row["result"]: (row["builds"], row["milliseconds"]) for row in rows}

    # Queue

    def enqueue(
        self, item: int, since: int, ready: int, causes: Sequence[Any], parameters: Mapping[str, Any]
    ) -> Queued:
        id = self._do(
            "INSERT INTO queue(item, since, ready, causes, parameters) VALUES (?, ?, ?, ?, ?)",
            *(item, since, ready, json.dumps(causes), json.dumps(parameters)),
        )
        return Queued(id, item, since, ready, causes, parameters)

    def change_queued(self, queued: Queued) -> None:
        self._do(
            "UPDATE queue SET ready = ?, causes = ? WHERE id = ?", queued.ready, json.dumps(queued.causes), queued.id
        )

    def dequeue(self, id: int) -> None:
        self._do("DELETE FROM queue WHERE id = ?", id)

    def queue(self) -> list[Queued]:
        return [
            Queued(**{**dict(row), "causes": json.loads(row["causes"]), "parameters": json.loads(row["parameters"])})
            for row in self._rows("SELECT * FROM queue ORDER BY id")
        ]

    # Views, credentials and agents are kept as the XML that clients send.

    def views(self, owner: str) -> dict[str, str]:
        rows = self._rows("SELECT name, config FROM views WHERE owner = ? ORDER BY name", owner)
        return {row["name"]: row["config"] for row in rows}

    def put_view(self, owner: str, name: str, config: str) -> None:
        self._do("INSERT OR REPLACE INTO views VALUES (?, ?, ?)", owner, name, config)

    def delete_view(self, owner: str, name: str) -> None:
        self._do("DELETE FROM views WHERE owner = ? AND name = ?", owner, name)

    def domains(self, owner: str) -> dict[str, str]:
        rows = self._rows("SELECT name, config FROM domains WHERE owner = ? ORDER BY name", owner)
        return {"_": "", **{row["name"]: row["config"] for row in rows}}

    def put_domain(self, owner: str, name: str, config: str) -> None:
        self._do("INSERT OR REPLACE INTO domains VALUES (?, ?, ?)", owner, name, config)

    def delete_domain(self, owner: str, name: str) -> None:
        with self.transaction():
            self._do("DELETE FROM domains WHERE owner = ? AND name = ?", owner, name)
            self._do("DELETE FROM credentials WHERE owner = ? AND domain = ?", owner, name)

    def credentials(self, owner: str, domain: str) -> dict[str, str]:
        rows = self._rows(
            "SELECT id, config FROM credentials WHERE owner = ? AND domain = ? ORDER BY id", owner, domain
        )
        return {row["id"]: row["config"] for row in rows}

    def find_credential(self, owners: Sequence[str], id: str) -> str | None:
        """The XML of the nearest: `owners` from the inside out."""
        for owner in owners:
            if row := self._row("SELECT config FROM credentials WHERE owner = ? AND id = ?", owner, id):
                return str(row["config"])
        return None

    def put_credential(self, owner: str, domain: str, id: str, config: str) -> None:
        self._do("INSERT OR REPLACE INTO credentials VALUES (?, ?, ?, ?)", owner, domain, id, config)

    def delete_credential(self, owner: str, domain: str, id: str) -> None:
        self._do("DELETE FROM credentials WHERE owner = ? AND domain = ? AND id = ?", owner, domain, id)

    def agents(self) -> dict[str, str]:
        return {row["name"]: row["config"] for row in self._rows("SELECT * FROM agents ORDER BY name")}

    def put_agent(self, name: str, config: str) -> None:
        self._do("INSERT OR REPLACE INTO agents VALUES (?, ?)", name, config)

    def delete_agent(self, name: str) -> None:
        self._do("DELETE FROM agents WHERE name = ?", name)

    # People

    def users(self) -> dict[str, sqlite3.Row]:
        return {row["id"]: row for row in self._rows("SELECT * FROM users ORDER BY id")}

    def user(self, id: str) -> sqlite3.Row | None:
        return self._row("SELECT * FROM users WHERE id = ?", id)

    def put_user(self, id: str, full_name: str, password: str) -> None:
        """`password` is a digest of it."""
        self._do(
            "INSERT INTO users(id, full_name, password) VALUES (?, ?, ?)"
            " ON CONFLICT(id) DO UPDATE SET full_name = excluded.full_name, password = excluded.password",
            *(id, full_name, password),
        )

    def describe_user(self, id: str, description: str) -> None:
        self._do("UPDATE users SET description = ? WHERE id = ?", description, id)

    def delete_user(self, id: str) -> None:
        self._do("DELETE FROM users WHERE id = ?", id)

    def tokens(self, user: str) -> list[sqlite3.Row]:
        return self._rows("SELECT * FROM tokens WHERE user = ? ORDER BY created", user)

    def put_token(self, uuid: str, user: str, name: str, digest: str) -> None:
        self._do("INSERT INTO tokens VALUES (?, ?, ?, ?, ?)", uuid, user, name, digest, now())

    def delete_token(self, user: str, uuid: str) -> None:
        self._do("DELETE FROM tokens WHERE user = ? AND uuid = ?", user, uuid)

    # Settings

    def setting(self, name: str, default: str = "") -> str:
        row = self._row("SELECT value FROM settings WHERE name = ?", name)
        return str(row["value"]) if row else default

    def set(self, name: str, value: str) -> None:
        self._do("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, value)


def _item(row: sqlite3.Row) -> Item:
    values = {name: row[name] for name in Item.__dataclass_fields__}
    return Item(**{**values, "disabled": bool(row["disabled"]), "state": json.loads(row["state"])})


def _build(row: sqlite3.Row) -> Build:
    values = dict(row)
    values.update({name: json.loads(row[name]) for name in BUILD_JSON})
    values.update({name: bool(row[name]) for name in BUILD_FLAGS})
    return Build(**values)
