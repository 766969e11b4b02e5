"""Global shared libraries: folders, or versions checked out from repositories."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tarfile
import tempfile
import threading
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from sandbox.ci.server import repositories
from sandbox.ci.server.repositories import GitError, Repositories

logger = logging.getLogger("sandbox.ci")


@dataclass(frozen=True)
class Library:
    """`url` is a repository (a hosted one's name will do), or empty for the folder `path`."""

    name: str
    url: str = ""
    version: str = ""
    path: str = ""


class Libraries:
    """The configured libraries; each version of a repository is unpacked once per commit."""

    def __init__(self, folder: Path, hosted: Repositories) -> None:
        self._folder, self._repositories = folder, hosted
        self._known: dict[str, Library] = {}
        self._lock = threading.Lock()

    def define(self, library: Library) -> None:
        self._known[library.name] = library

    def folder(self, name: str, version: str) -> Path | None:
        """None for a library or version that there is not."""
        library = self._known.get(name)
        if library is None and name in self._repositories.names():
            library = Library(name, name)
        if library is None:
            return None
        if not library.url:
            path = Path(library.path)
            return path if path.is_dir() else None
        try:
            return self._checked_out(library.url, version or library.version)
        except GitError as error:
            logger.warning("library %s: %s", name, error)
            return None

    def _checked_out(self, url: str, version: str) -> Path:
        head = self._repositories.resolve(url, version)
        target = self._folder / hashlib.sha256(f"{url}\0{head.commit}".encode()).hexdigest()[:24]
        with self._lock:
            if not target.is_dir():
                with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                    archive = repositories.archive(self._repositories.where(url), head.commit)
                    with tarfile.open(fileobj=BytesIO(archive)) as tar:
                        tar.extractall(folder, filter="data")
                    shutil.copytree(folder, target)
        return target
