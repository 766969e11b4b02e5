"""The journal: what was acknowledged and is not yet in the index survives a kill or a power cut.

A record is a line: CRC-32, tab, header (JSON array), tab, document. Lines that are torn or damaged are passed over.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson

Header = list[object]


class Journal:
    """Files `journal-<number>` in a folder; the newest is written, older ones wait until the index has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._syncing = threading.Lock()
        numbers = [int(path.name.removeprefix("journal-")) for path in self._files()]
        self._open(max(numbers, default=0) + 1)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("journal-*"))

    def _open(self, number: int) -> None:
        self.number = number
        self._fd = os.open(self.folder / f"journal-{number:012}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.size = self._synced = 0
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def append(self, records: list[bytes]) -> tuple[int, int]:
        """Writes records (see `record`). Returns the place that `sync` wants. Not for two threads at once.

        Raises OSError, having taken back what was written of them.
        """
        data = memoryview(b"".join(records))
        start = self.size
        try:
            while data:
                written = os.write(self._fd, data)
                self.size += written
                data = data[written:]
        except OSError:
            os.ftruncate(self._fd, start)
            self.size = start
            raise
        return self.number, self.size

    def sync(self, place: tuple[int, int]) -> None:
        """Returns once everything up to the place is on the disk. One sync serves all who wait for it."""
        number, size = place
        with self._syncing:
            if number == self.number and size > self._synced:
                reached = self.size
                os.fdatasync(self._fd)
                self._synced = reached

    def rotate(self) -> list[Path]:
        """Begins a new file. Returns the older ones, to be removed once the index has what they hold."""
        with self._syncing:
            os.fdatasync(self._fd)
            os.close(self._fd)
            older = self._files()
            self._open(self.number + 1)
            return older

    def replay(self) -> Iterator[tuple[Header, bytes]]:
        """Header and document of every whole record of the older files."""
        for path in self._files():
            if path.name == f"journal-{self.number:012}":
                continue
            with path.open("rb") as file:
                for line in file:
                    parts = line.rstrip(b"\n").split(b"\t", 1)
                    if len(parts) == 2 and parts[0] == b"%08x" % zlib.crc32(parts[1]):
                        header, _, document = parts[1].partition(b"\t")
                        yield orjson.loads(header), document


def record(header: Header, document: bytes) -> bytes:
    """A line of the journal. The document is JSON in one line."""
    body = orjson.dumps(header) + b"\t" + document
    return b"%08x\t%s\n" % (zlib.crc32(body), body)
