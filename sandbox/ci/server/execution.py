"""The seam between the server and whatever runs a Jenkinsfile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sandbox.ci.model import Place, Result


class Execution(Protocol):
    """One build's pipeline."""

    def run(self) -> Result:
        """Runs it to its end, on the caller's thread."""
        ...

    def stop(self, reason: str, force: bool) -> None:
        """Asks it to end, from any thread. `force` waits for nothing."""
        ...


class Executor(Protocol):
    """Runs and checks Jenkinsfiles."""

    def begin(self, text: str, place: Place) -> Execution: ...

    def lint(self, text: str) -> Sequence[Mapping[str, Any]] | None:
        """The problems of a declarative Jenkinsfile: {line, column, message}; an empty list if it is valid, None if it
        holds no pipeline.
        """
        ...

    def close(self) -> None: ...
