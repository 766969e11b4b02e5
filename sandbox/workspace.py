"""The sandbox's folder on disk: `$SANDBOX_HOME/<project>/`. Written file by file, each atomically, under a lock."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandbox import __version__
from sandbox.errors import SandboxError, UsageError
from sandbox.model import LABEL_OWNER, Rendering
from sandbox.render import env_file, parse_env

MANIFEST = ".sandbox-files"
LOCK = ".lock"
SECRET_FILE = ".env"
COMMON = "common.yml"
OWNER = re.compile(rf"^ +{re.escape(LABEL_OWNER)}: ['\"]?(.+?)['\"]?$", re.MULTILINE)
HALF = "half-written"


def home(environ: Mapping[str, str]) -> Path:
    """`$SANDBOX_HOME`, or `~/.sandbox`."""
    if chosen := environ.get("SANDBOX_HOME"):
        return Path(chosen).expanduser().absolute()
    return Path.home() / ".sandbox"


class Workspace:
    """One sandbox's folder. Bind mounts keep working because folders stay and files are replaced."""

    def __init__(self, home: Path, project: str) -> None:
        self.folder = home / project

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """One command at a time changes a sandbox; `waiting` is called once if another one is at work."""
        from filelock import FileLock, Timeout

        with _writable(self.folder):
            self._refuse_foreign()
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o755)
        lock = FileLock(self.folder / LOCK)
        with _writable(self.folder):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _refuse_foreign(self) -> None:
        # One look: between two, another command may have begun to write here.
        found = set(os.listdir(self.folder)) if self.folder.is_dir() else set()
        if found and not found & {LOCK, MANIFEST}:
            raise UsageError(
                f"{self.folder} holds files that are not a sandbox's", "choose another --project or SANDBOX_HOME"
            )

    def previous_values(self) -> dict[str, str]:
        """The variables of the last `.env`; empty when it is lost."""
        try:
            return parse_env((self.folder / SECRET_FILE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return {}

    @property
    def digest(self) -> str:
        """The digest of the rendering that the folder holds; empty when it holds none, or a half-written one."""
        try:
            first = (self.folder / MANIFEST).read_text(encoding="utf-8").partition("\n")[0]
        except OSError:
            return ""
        state = first.rpartition(" ")[2]
        return state if all(self._is_there(path) for path in self._manifest()) and state != HALF else ""

    @property
    def edition(self) -> tuple[tuple[int, ...], ...]:
        """Changes with everything that is written here, and with every edit of a service's file; empty without any."""
        files = [self.folder / MANIFEST, *sorted((self.folder / "services").glob("*.yml"))]
        try:
            return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in map(Path.stat, files))
        except OSError:
            return ()

    @property
    def owner(self) -> str:
        """The label of the process that this sandbox must not outlive, as it was rendered; empty for none."""
        try:
            match = OWNER.search((self.folder / COMMON).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return ""
        return match[1] if match else ""

    def _is_there(self, path: str) -> bool:
        return (self.folder / path).is_file()

    def remove(self) -> None:
        """Removes the files we wrote, and the folder if nothing else is in it."""
        with _writable(self.folder):
            for path in [*self._manifest(), MANIFEST, LOCK]:
                self._remove(path)
            if self.folder.is_dir() and not any(self.folder.iterdir()):
                self.folder.rmdir()

    def keep_values(self, values: Mapping[str, str]) -> None:
        """Sets variables of `.env` that are there already; the rest of the folder stays as it is."""
        before = self.previous_values()
        chosen = {name: text for name, text in values.items() if name in before}
        if chosen:
            with _writable(self.folder):
                self._replace(SECRET_FILE, env_file({**before, **chosen}).encode())

    def write(self, rendering: Rendering) -> bool:
        """Makes the folder hold the rendering, and removes what an earlier one had more. True if anything changed.

        The manifest names our files, before they are written and until they are gone, so that an
        interrupted write is mended by the next and files that are not ours are never touched.
        """
        with _writable(self.folder):
            before = self._manifest()
            changed = [path for path, content in rendering.files.items() if not self._holds(path, content)]
            stale = [path for path in before if path not in rendering.files]
            if not changed and not stale:
                return False
            self._write_manifest(HALF, {*before, *rendering.files})
            for path in changed:
                self._replace(path, rendering.files[path])
            for path in stale:
                self._remove(path)
            self._write_manifest(rendering.digest, rendering.files)
        return True

    def _manifest(self) -> list[str]:
        try:
            return (self.folder / MANIFEST).read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            return []

    def _write_manifest(self, state: str, paths: Iterable[str]) -> None:
        self._replace(MANIFEST, "\n".join([f"sandbox {__version__} {state}", *sorted(paths), ""]).encode())

    def _holds(self, path: str, content: bytes) -> bool:
        target = self.folder / path
        try:
            return target.read_bytes() == content and target.stat().st_mode & 0o777 == _mode(path)
        except OSError:
            return False

    def _remove(self, path: str) -> None:
        target = self.folder / path
        target.unlink(missing_ok=True)
        for folder in target.relative_to(self.folder).parents[:-1]:
            if (self.folder / folder).is_dir() and not any((self.folder / folder).iterdir()):
                (self.folder / folder).rmdir()

    def _replace(self, path: str, content: bytes) -> None:
        target = self.folder / path
        for folder in reversed(target.relative_to(self.folder).parents[:-1]):
            (self.folder / folder).mkdir(exist_ok=True)
            (self.folder / folder).chmod(0o755)
        if target.is_dir():  # Docker makes a folder where a mounted file was missing
            target.rmdir()
        temporary = target.with_name(f".{target.name}.new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.chmod(_mode(path))
        os.replace(temporary, target)


def _mode(path: str) -> int:
    return 0o600 if path == SECRET_FILE else 0o644


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == 28:
            raise SandboxError(
                f"the disk is full: cannot write to {folder}", "free some space, then try again"
            ) from error
        raise UsageError(
            f"cannot write to {folder}: {error.strerror}", "set SANDBOX_HOME to a folder you can write to"
        ) from error
