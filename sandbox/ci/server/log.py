"""A build's log: one file of bytes, and beside it when they were written."""

from __future__ import annotations

import os
import struct
import threading
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from sandbox.ci.store import now

ENTRY = struct.Struct("<QQ")  # offset, milliseconds since the epoch
RESOLUTION = 50  # milliseconds: what comes closer together shares a time
CHUNK = 256 * 1024


class LogWriter:
    """Appends; safe from many threads. Raises OSError, such as on a full disk."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._file = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._times = os.open(folder / "log.times", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.size = os.fstat(self._file).st_size
        self._last = 0

    def write(self, data: bytes) -> int:
        """The size after it."""
        with self._lock:
            moment = now()
            if moment - self._last >= RESOLUTION:
                os.write(self._times, ENTRY.pack(self.size, moment))
                self._last = moment
            view = memoryview(data)
            while view:
                written = os.write(self._file, view)
                self.size += written
                view = view[written:]
            return self.size

    def close(self) -> None:
        with self._lock:
            os.close(self._file)
            os.close(self._times)


def size(folder: Path) -> int:
    try:
        return (folder / "log").stat().st_size
    except OSError:
        return 0


def read(folder: Path, start: int, limit: int) -> bytes:
    """At most `limit` bytes from `start`."""
    try:
        with (folder / "log").open("rb") as file:
            file.seek(start)
            return file.read(limit)
    except OSError:
        return b""


def stream(folder: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """What is there now, in pieces; never all of it in memory."""
    last = size(folder) if end is None else min(end, size(folder))
    while start < last:
        piece = read(folder, start, min(CHUNK, last - start))
        if not piece:
            return
        start += len(piece)
        yield piece


class Times:
    """When each offset of a log was written."""

    def __init__(self, folder: Path) -> None:
        try:
            data = (folder / "log.times").read_bytes()
        except OSError:
            data = b""
        entries = list(ENTRY.iter_unpack(data[: len(data) // ENTRY.size * ENTRY.size]))
        self._offsets = [offset for offset, _ in entries]
        self._moments = [moment for _, moment in entries]

    def at(self, offset: int) -> int:
        """Milliseconds since the epoch; 0 if it is not known."""
        index = bisect_right(self._offsets, offset) - 1
        return self._moments[index] if index >= 0 else 0
