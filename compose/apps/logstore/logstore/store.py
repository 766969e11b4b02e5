"""The store: documents go to the journal, then to the newest generation; both survive being killed at any moment."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from tantivy import Query

from logstore.errors import ApiError, bad_document, bad_request, no_index
from logstore.generation import SCHEMA, Generation, analyzer, document, folder_size, matching
from logstore.indices import Index, Indices
from logstore.journal import Journal, record
from logstore.mapping import Fields, take_apart
from logstore.query import Compiler
from logstore.scrolls import Scrolls

log = logging.getLogger("logstore")
DAY = 86_400_000
PENDING_BYTES = 16 * 1024**2
GENERATIONS = 8  # into how many parts the disk budget is cut


@dataclass(frozen=True)
class Limits:
    """`disk` in bytes, `age` in milliseconds."""

    disk: int = 512 * 1024**2
    age: int = 7 * DAY


@dataclass(frozen=True)
class Operation:
    """One write: `create`, `index` or `delete`. `source` is JSON as it came; `id` empty for a new one."""

    action: str
    index: str
    id: str
    source: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """What became of an operation. `error` is set when it was refused."""

    operation: Operation
    index: str
    id: str
    seq: int = -1
    result: str = ""
    error: ApiError | None = None


class Store:
    """Everything in one folder. Methods may be called from many threads."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder, self.limits = folder, limits or Limits()
        folder.mkdir(parents=True, exist_ok=True)
        self.analyze = analyzer().analyze
        self._lock = threading.RLock()
        self._broken = self._dirty = False
        self.indices = _sound(Indices, folder / "state.json")
        self.generations = self._open_generations()
        self._pending: dict[str, bytes | None] = {}
        self._pending_bytes = 0
        self.journal = Journal(folder)
        self.scrolls = Scrolls()
        self._seq = max((self._highest_seq(generation) for generation in self.generations), default=0)
        self._replay()

    # --- opening ---------------------------------------------------------------------------

    def _open_generations(self) -> tuple[Generation, ...]:
        found = []
        for folder in sorted(self.folder.glob("[0-9]*-*")):
            try:
                found.append(Generation(folder))
            except (ValueError, OSError) as error:
                log.error("%s cannot be read and is put aside: %s", folder.name, error)
                folder.rename(folder.with_name(f"broken-{folder.name}"))
        return tuple(found) or (self._new_generation(1),)

    def _new_generation(self, number: int) -> Generation:
        return Generation(self.folder / f"{number:06}-{int(time.time() * 1000)}")

    def _highest_seq(self, generation: Generation) -> int:
        stats = generation.searcher.aggregate(Query.all_query(), {"x": {"max": {"field": "seq"}}})
        return int(stats["x"]["value"] or 0)

    def _replay(self) -> None:
        """Puts into the index what the journal holds beyond it. Doing so twice changes nothing."""
        count = 0
        for header, source in self.journal.replay():
            action, name, id, seq = (str(header[0]), str(header[1]), str(header[2]), int(str(header[3])))
            count += 1
            self._seq = max(self._seq, seq)
            self._remove(f"{name}\0{id}")
            if action != "delete":
                try:
                    index = self.indices.ensure(name)
                    self._add(index, id, seq, take_apart(orjson.loads(source), index.mapping), source)
                except (ApiError, ValueError) as error:
                    log.error("a document of the journal does not fit: %s", error)
            if self._pending_bytes > PENDING_BYTES:
                self._forget_pending_but_keep_the_journal()
        if count:
            log.info("%s operations taken from the journal", count)
        self._dirty = True
        self.refresh()

    def _forget_pending_but_keep_the_journal(self) -> None:
        for generation in self.generations:
            generation.commit(keep_writer=generation is self.current)
        self._pending.clear()
        self._pending_bytes = 0

    # --- writing ---------------------------------------------------------------------------

    @property
    def current(self) -> Generation:
        return self.generations[-1]

    def write(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Does the operations in order. When it returns, what succeeded survives a power cut."""
        with self._lock:
            if self._broken:
                raise ApiError(429, "es_rejected_execution_exception", "the index cannot be written at the moment")
            applying: list[Callable[[], None]] = []
            records: list[bytes] = []
            there: dict[str, bool] = {}
            seq = self._seq
            outcomes = [self._prepare(operation, there, applying, records) for operation in operations]
            if not records:
                return outcomes
            try:
                place = self.journal.append(records)
            except OSError as error:
                self._seq = seq
                raise ApiError(429, "cluster_block_exception", f"the journal cannot be written: {error}") from None
            self._dirty = True
            try:
                for apply in applying:
                    apply()
            except (ValueError, OSError) as error:
                self._break(error)
            if self._pending_bytes > PENDING_BYTES:
                self.refresh()
        self.journal.sync(place)
        return outcomes

    def _prepare(
        self, operation: Operation, there: dict[str, bool], applying: list[Callable[[], None]], records: list[bytes]
    ) -> Outcome:
        name = self.indices.real_name(operation.index)
        try:
            if operation.action == "delete":
                return self._prepare_delete(operation, name, there, applying, records)
            return self._prepare_put(operation, name, there, applying, records)
        except ApiError as error:
            return Outcome(operation, name, operation.id, error=error)

    def _prepare_put(
        self,
        operation: Operation,
        name: str,
        there: dict[str, bool],
        applying: list[Callable[[], None]],
        records: list[bytes],
    ) -> Outcome:
        known = name in self.indices.indices
        index = self.indices.ensure(name)
        if index.is_stream and operation.action != "create":
            raise bad_request("only write ops with an op_type of create are allowed in data streams")
        id = operation.id or secrets.token_urlsafe(15)
        if len(id.encode()) > 512:
            raise bad_request(f"id is too long, must be no longer than 512 bytes but was: {len(id.encode())}")
        uid = f"{name}\0{id}"
        exists = bool(operation.id) and self._exists(uid, there)
        if exists and operation.action == "create":
            reason = f"[{id}]: version conflict, document already exists (current version [1])"
            raise ApiError(409, "version_conflict_engine_exception", reason)
        try:
            source = orjson.loads(operation.source)
        except ValueError as error:
            raise bad_document(f"failed to parse: {error}") from None
        fields = take_apart(source, index.mapping)
        if index.is_stream and fields.timestamp is None:
            raise bad_document("data stream timestamp field [@timestamp] is missing or no date")
        if fields.learnt or not known:
            self.indices.save()
        self._seq += 1
        seq = self._seq
        line = operation.source if b"\n" not in operation.source else orjson.dumps(source)
        records.append(record([operation.action, name, id, seq], line))
        there[uid] = True

        def apply() -> None:
            if exists:
                self._remove(uid)
            self._add(index, id, seq, fields, line)

        applying.append(apply)
        return Outcome(operation, index.shown_name, id, seq, "updated" if exists else "created")

    def _prepare_delete(
        self,
        operation: Operation,
        name: str,
        there: dict[str, bool],
        applying: list[Callable[[], None]],
        records: list[bytes],
    ) -> Outcome:
        index = self.indices.indices.get(name)
        if index is None:
            raise no_index(name)
        if index.is_stream and operation.index == name:
            raise bad_request("only write ops with an op_type of create are allowed in data streams")
        uid = f"{name}\0{operation.id}"
        if not self._exists(uid, there):
            return Outcome(operation, index.shown_name, operation.id, self._seq, "not_found")
        self._seq += 1
        records.append(record(["delete", name, operation.id, self._seq], b""))
        there[uid] = False
        applying.append(lambda: self._remove(uid))
        return Outcome(operation, index.shown_name, operation.id, self._seq, "deleted")

    def _exists(self, uid: str, there: dict[str, bool]) -> bool:
        if uid in there:
            return there[uid]
        if uid in self._pending:
            return self._pending[uid] is not None
        return any(generation.holds(uid) for generation in reversed(self.generations))

    def _add(self, index: Index, id: str, seq: int, fields: Fields, source: bytes) -> None:
        uid = f"{index.name}\0{id}"
        self.current.writer.add_document(document(uid, index.name, seq, fields, source))
        self._pending[uid] = source
        self._pending_bytes += len(source) + 200

    def _remove(self, uid: str) -> None:
        for generation in self.generations:
            if generation is self.current or generation.holds(uid):
                generation.writer.delete_documents_by_term("uid", uid)
        self._pending[uid] = None
        self._pending_bytes += 200

    # --- committing ------------------------------------------------------------------------

    def refresh(self) -> None:
        """What was written is found from now on."""
        with self._lock:
            if not self._dirty or self._broken:
                return
            try:
                older = self.journal.rotate()
                # The newest last: an old document is deleted before its successor can be found.
                for generation in self.generations:
                    if generation.changed:
                        generation.commit(keep_writer=generation is self.current)
            except (ValueError, OSError) as error:
                self._break(error)
                return
            for path in older:
                path.unlink(missing_ok=True)
            self._pending.clear()
            self._pending_bytes = 0
            self._dirty = False

    def _break(self, error: Exception) -> None:
        log.error("the index cannot be written: %s", error)
        self._broken = True

    def _mend(self) -> None:
        """After a full disk or the like: the index is opened again, and the journal played into it."""
        with self._lock:
            for generation in self.generations:
                generation.abandon()
            self._pending.clear()
            self._pending_bytes = 0
            try:
                self.journal.rotate()
                self.generations = self._open_generations()
                self._broken = False
                self._replay()
            except (ValueError, OSError) as error:
                self._break(error)

    def maintain(self) -> None:
        """Mends what broke, begins new generations, deletes those too old or beyond the disk budget."""
        if self._broken:
            self._make_room()
            self._mend()
            return
        self._roll_if_due()
        self._make_room()

    def _roll_if_due(self) -> None:
        current = self.current
        if not current.searcher.num_docs:
            return
        aged = time.time() * 1000 - current.begun > min(DAY, self.limits.age / GENERATIONS)
        if aged or current.size > self.limits.disk / GENERATIONS:
            with self._lock:
                self.refresh()
                if not self._broken:
                    current.commit(keep_writer=False)
                    self.generations = (*self.generations, self._new_generation(current.number + 1))

    def _make_room(self) -> None:
        now = time.time() * 1000
        for path in sorted(self.folder.glob("broken-*")):
            if self.size > self.limits.disk:
                shutil.rmtree(path, ignore_errors=True)
        while len(self.generations) > 1:
            oldest, after = self.generations[:2]
            too_old = after.begun < now - self.limits.age
            if not too_old and self.size <= self.limits.disk:
                return
            log.info("deleting the oldest documents: %s (%s)", oldest.folder.name, "age" if too_old else "disk budget")
            with self._lock:
                if oldest.changed:
                    self.refresh()
                self.generations = self.generations[1:]
            shutil.rmtree(oldest.folder, ignore_errors=True)

    @property
    def arrived(self) -> int:
        """The number of the document that arrived last."""
        return self._seq

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        folders = [path for path in self.folder.iterdir() if path.is_dir()]
        return folder_size(self.folder) + sum(folder_size(folder) for folder in folders)

    def run_maintenance(self, stop: threading.Event) -> None:
        """Commits every second and looks after limits every ten, until told to stop."""
        beat = 0
        while not stop.wait(1):
            beat += 1
            try:
                self.refresh()
                if beat % 10 == 0 or self._broken:
                    self.maintain()
            except Exception:
                log.exception("maintenance failed")

    def close(self) -> None:
        """Commits and lets go."""
        self.refresh()
        with self._lock:
            for generation in self.generations:
                if generation.changed and not self._broken:
                    generation.commit(keep_writer=False)

    # --- names -----------------------------------------------------------------------------

    def change(self, change: Callable[[Indices], Any]) -> Any:
        """Changes names or templates, and saves them."""
        with self._lock:
            result = change(self.indices)
            self.indices.save()
            return result

    def delete_index(self, index: Index) -> None:
        """Removes the index with its documents."""
        with self._lock:
            self.delete_by_query([index], None)
            self.indices.indices.pop(index.name, None)
            self.indices.save()

    # --- reading ---------------------------------------------------------------------------

    def get(self, index: Index, id: str) -> bytes | None:
        """A document's JSON, even when it is not yet found by searches."""
        uid = f"{index.name}\0{id}"
        with self._lock:
            if uid in self._pending:
                return self._pending[uid]
            generations = self.generations
        for generation in reversed(generations):
            if generation.holds(uid):
                searcher = generation.searcher
                hits = searcher.search(Query.term_query(SCHEMA, "uid", uid), 1).hits
                if hits:
                    return bytes(searcher.doc(hits[0][1])["source"][0])
        return None

    def compiler(self, indices: Sequence[Index]) -> Compiler:
        targets = {index.name: index.mapping for index in indices}
        names = {index.name: index.shown_name for index in indices}
        return Compiler(self.current.index, self.analyze, targets, names)

    def delete_by_query(self, indices: Sequence[Index], query: Any) -> int:
        """Deletes what matches, in one commit for each generation. Returns how many documents."""
        compiled = self.compiler(indices).compile(query)
        with self._lock:
            self.refresh()
            if self._broken:
                raise ApiError(429, "es_rejected_execution_exception", "the index cannot be written at the moment")
            deleted = 0
            for generation in self.generations:
                count = matching(generation.searcher, compiled)
                if count:
                    generation.writer.delete_documents_by_query(compiled)
                    generation.commit(keep_writer=generation is self.current)
                deleted += count
            return deleted


def _sound(read: Callable[[Path], Indices], path: Path) -> Indices:
    """The names; when their file is damaged it is put aside, and they are learnt anew from what comes."""
    try:
        return read(path)
    except (ValueError, KeyError, TypeError, ApiError) as error:
        log.error("%s cannot be read and is put aside: %s", path.name, error)
        path.replace(path.with_name(f"{path.name}.broken"))
        return read(path)
