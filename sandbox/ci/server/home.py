"""The server's folder: what lies where."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.ci.model import workspace_name

BALLAST = 4 * 1024**2


@dataclass(frozen=True)
class Home:
    root: Path

    def prepare(self) -> None:
        for folder in (self.root, self.builds, self.workspaces, self.libraries, self.uploads):
            folder.mkdir(parents=True, exist_ok=True)
        self.hold_ballast()

    @property
    def database(self) -> Path:
        return self.root / "ci.sqlite"

    @property
    def builds(self) -> Path:
        return self.root / "builds"

    @property
    def workspaces(self) -> Path:
        return self.root / "workspace"

    @property
    def repositories(self) -> Path:
        return self.root / "repositories"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def libraries(self) -> Path:
        return self.root / "libraries"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    def job(self, item: int) -> Path:
        return self.builds / str(item)

    def build(self, item: int, number: int) -> Path:
        return self.builds / str(item) / str(number)

    def workspace(self, job: str) -> Path:
        return self.workspaces / workspace_name(job)

    def workspace_roots(self) -> Iterator[Path]:
        """`workspace`, `workspace@2` and so on."""
        yield self.workspaces
        yield from (self.root / f"{self.workspaces.name}@{number}" for number in itertools.count(2))

    # On a full disk the ballast goes overboard, so that the end of a build can still be noted.

    def hold_ballast(self) -> None:
        path = self.root / "ballast"
        if not path.exists():
            try:
                with path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, BALLAST)
            except OSError:
                path.unlink(missing_ok=True)

    def drop_ballast(self) -> None:
        (self.root / "ballast").unlink(missing_ok=True)


def read_json(path: Path, default: Any) -> Any:
    """What a file of ours holds; the default if there is none, or a crash left half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return default


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    part.replace(path)


def remove(path: Path) -> None:
    """A folder and all in it, also where a build made parts of it read-only."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)


def inside(folder: Path, path: str) -> Path | None:
    """The file or folder at a path below `folder`; None if it is not there, or lies elsewhere (`..`, links)."""
    if "\0" in path:
        return None
    try:
        root = folder.resolve(strict=True)
        found = (root / path.lstrip("/")).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return found if found == root or root in found.parents else None
