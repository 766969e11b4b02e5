"""One large file that may lie on disk in parts: FILE, or FILE.001, FILE.002 … for sticks that take 4 GB a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import SandboxError, UsageError


def find(path: Path) -> list[Path]:
    """The files that make up FILE: itself, or its parts in order. FILE.001 names all of its parts, too."""
    if path.suffix == ".001":
        path = path.with_suffix("")
    if path.is_file():
        return [path]
    parts: list[Path] = []
    while (part := _part(path, len(parts))).is_file():
        parts.append(part)
    if not parts:
        raise UsageError(f"there is no file {path}, and no {path.name}.001")
    return parts


def _part(path: Path, index: int) -> Path:
    return path.with_name(f"{path.name}.{index + 1:03}")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """A stick that was pulled out, or a file that is somebody else's."""
    try:
        yield
    except OSError as error:
        raise SandboxError(f"{path} cannot be read: {error.strerror or error}", "`ls -l` says whose it is") from error


class Reader:
    """Reads parts as if they were one file."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises SandboxError for a file that may not be read."""
        self.paths = list(paths)
        for path in self.paths:
            with _readable(path), path.open("rb"):
                pass
        self.sizes = [path.stat().st_size for path in self.paths]
        self.size = sum(self.sizes)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from an offset; fewer than `length` at the end."""
        found = bytearray()
        for path, size in zip(self.paths, self.sizes, strict=True):
            if offset < size and length > len(found):
                with _readable(path), path.open("rb") as file:
                    file.seek(offset)
                    found += file.read(length - len(found))
                offset = size
            offset -= size
        return bytes(found)


class Writer:
    """Appends to FILE.partial, or to parts of at most `limit` bytes (0: one file); `finish` gives them their names.

    What an interrupted writer left is still there: `size` tells how much, `keep` cuts it.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path, self.limit = path, limit
        self.partial = path.with_name(f"{path.name}.partial")

    def _paths(self) -> list[Path]:
        if not self.limit:
            return [self.partial] if self.partial.is_file() else []
        found = sorted(self.partial.parent.glob(f"{self.partial.name}.[0-9][0-9][0-9]"))
        return [path for index, path in enumerate(found) if path == _part(self.partial, index)]

    def reader(self) -> Reader:
        return Reader(self._paths())

    def keep(self, size: int) -> None:
        """Cuts what is there to `size` bytes."""
        for index, path in enumerate(self._paths()):
            left = size - index * self.limit if self.limit else size
            if left <= 0:
                path.unlink()
            elif left < path.stat().st_size:
                with path.open("r+b") as file:
                    file.truncate(left)

    def write(self, data: bytes) -> None:
        """Appends. Raises OSError."""
        view = memoryview(data)
        while view:
            at = self.reader().size
            path = _part(self.partial, at // self.limit) if self.limit else self.partial
            room = self.limit - at % self.limit if self.limit else len(view)
            with path.open("ab") as file:
                file.write(view[:room])
            view = view[room:]

    def finish(self) -> list[Path]:
        """Gives the files their final names, in place of older ones; these names."""
        for stale in [self.path, *self.path.parent.glob(f"{self.path.name}.[0-9][0-9][0-9]")]:
            stale.unlink(missing_ok=True)
        final = []
        for index, path in enumerate(self._paths()):
            final.append(path.replace(_part(self.path, index) if self.limit else self.path))
        return final
