"""A place to run one Jenkinsfile without a server: a folder, the log on standard output, nobody to ask."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox import yamlfile
from sandbox.ci.model import Aborted, Credential, Declared, Input, Node, Outcome, Source, TestCase
from sandbox.errors import UsageError

AGENT = "built-in"
LABELS = ("built-in", "linux", "unix", "docker", "master", "controller", "local")
CAUSE = {"_class": "hudson.model.Cause$UserIdCause", "shortDescription": "Started by command line", "userId": "cli"}


class LocalPlace:
    """Runs in `folder`/workspace unless told a workspace. `out` gets the log as bytes."""

    def __init__(
        self,
        folder: Path,
        out: Callable[[bytes], Any],
        *,
        job: str = "local",
        parameters: Mapping[str, Any] | None = None,
        credentials: Mapping[str, Credential] | None = None,
        libraries: Mapping[str, Path] | None = None,
        source: Source | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.job = job
        self.number = 1
        self.url = ""
        self.folder = folder / "build"
        self.workspaces = folder / "workspace"
        self.environment: Mapping[str, str] = environment or {}
        self.parameters: Mapping[str, Any] = parameters or {}
        self.causes: Sequence[Mapping[str, Any]] = (CAUSE,)
        self.source = source or Source()
        self.nodes: dict[str, Node] = {}
        self.declarations = Declared()
        self._out = out
        self._offset = 0
        self._credentials = credentials or {}
        self._libraries = libraries or {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self.cases: list[TestCase] = []

    def write(self, data: bytes) -> int:
        self._out(data)
        self._offset += len(data)
        return self._offset

    def node(self, node: Node) -> None:
        with self._guard:
            if node.kind != "step":
                self.nodes[node.id] = node

    def stages(self) -> list[dict[str, Any]]:
        """Every stage in order: name, status, duration in milliseconds."""
        return [
            {"name": n.name, "status": n.status, "duration": max(0, n.ended - n.started), "error": n.error}
            for n in self.nodes.values()
            if n.kind == "stage"
        ]

    def declared(self, declared: Declared) -> None:
        self.declarations = declared

    def described(self, name: str, value: Any) -> None:
        """Nobody here keeps it."""

    @contextlib.contextmanager
    def executor(self, label: str, stopped: Callable[[], bool]) -> Iterator[str]:
        """One computer, with every label people give to Linux agents."""
        yield AGENT

    def credential(self, id: str) -> Credential | None:
        return self._credentials.get(id)

    def ask(self, question: Input, stopped: Callable[[], bool]) -> tuple[str, Mapping[str, Any]]:
        raise Aborted("Rejected: nobody can answer an input here; run it as a job of the ci service")

    def build(self, job: str, parameters: Mapping[str, Any], wait: bool, stopped: Callable[[], bool]) -> Outcome:
        raise LookupError(f"No item named {job} found")

    @contextlib.contextmanager
    def lock(self, resource: str, stopped: Callable[[], bool]) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(resource, threading.Lock())
        while not lock.acquire(timeout=0.1):
            if stopped():
                raise Aborted("interrupted while waiting for a lock")
        try:
            yield
        finally:
            lock.release()

    def milestone(self, ordinal: int) -> None:
        """There is only one build."""

    def tests(self, cases: Sequence[TestCase]) -> None:
        self.cases += cases

    def artifact(self, path: str) -> None:
        """It is in the folder already."""

    def changes(self, commits: Sequence[Mapping[str, Any]], source: Source) -> None:
        """Nobody here keeps them."""

    def library(self, name: str, version: str) -> Path | None:
        return self._libraries.get(name)

    def previous(self) -> Mapping[str, Any] | None:
        return None


def read_credentials(file: Path) -> dict[str, Credential]:
    """Credentials from YAML: a list of {id, kind, secret, username?, passphrase?, file_name?}. Raises UsageError."""
    found = yamlfile.read(file)
    if found.problems or not isinstance(found.data, list):
        raise UsageError(f"{file}: expected a list of credentials", "; ".join(found.problems))
    credentials = {}
    for entry in found.data:
        try:
            credential = Credential(
                str(entry["id"]),
                str(entry.get("kind", "usernamePassword" if "username" in entry else "string")),
                str(entry.get("secret", entry.get("password", ""))).encode(),
                str(entry.get("username", "")),
                str(entry.get("file_name", "")),
                str(entry.get("passphrase", "")),
            )
        except (TypeError, KeyError, AttributeError):
            raise UsageError(f"{file}: each credential needs an id, a kind and a secret") from None
        credentials[credential.id] = credential
    return credentials
