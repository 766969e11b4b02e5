"""The nouns of the CI runner, as data, and what a running pipeline asks of the place it runs in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

LONGEST_FOLDER = 200  # bytes; the file system takes 255, and `@tmp` and the like come behind


class Result(IntEnum):
    """How a build or a stage ended; larger is worse. Names are Jenkins'."""

    SUCCESS = 0
    UNSTABLE = 1
    FAILURE = 2
    NOT_BUILT = 3
    ABORTED = 4


class Aborted(Exception):
    """A build, or a part of it, was stopped. `reason` is told in the log ("Aborted by admin")."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Parameter:
    """A build parameter as a Jenkinsfile or a job's configuration declares it.

    kind: string, text, booleanParam, choice, password, file, run; `choices` for choice only.
    """

    name: str
    kind: str = "string"
    default: Any = ""
    description: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declared:
    """What running a Jenkinsfile says about its job (options, parameters, triggers), for the server to keep.

    triggers: ("cron"|"pollSCM"|"upstream", spec); keep_builds: how many builds `buildDiscarder` keeps, 0 for all.
    """

    parameters: tuple[Parameter, ...] = ()
    triggers: tuple[tuple[str, str], ...] = ()
    keep_builds: int = 0
    concurrent: bool = True


@dataclass(frozen=True)
class Source:
    """Where a Jenkinsfile came from: a git repository, or only a text (url empty)."""

    url: str = ""
    branch: str = ""
    commit: str = ""
    credentials: str = ""
    script_path: str = "Jenkinsfile"


@dataclass(frozen=True)
class Credential:
    """kind: string, usernamePassword, file, sshUserPrivateKey. `secret` is the text, password, key or file's bytes."""

    id: str
    kind: str
    secret: bytes
    username: str = ""
    file_name: str = ""
    passphrase: str = ""
    description: str = ""


@dataclass(frozen=True)
class TestCase:
    """status: PASSED, FAILED or SKIPPED; duration in seconds."""

    __test__ = False
    suite: str
    class_name: str
    name: str
    status: str
    duration: float
    message: str = ""
    details: str = ""
    stdout: str = ""
    stderr: str = ""


@dataclass
class Node:
    """One stage, parallel branch or step of a running build. Times are milliseconds since the epoch.

    kind: stage, parallel, branch or step; status: IN_PROGRESS, PAUSED_PENDING_INPUT, a Result's name, or
    NOT_EXECUTED; `log` is the (start, end) of what it wrote, in bytes of the build's log, for steps.
    """

    id: str
    parent: str
    kind: str
    name: str
    status: str = "IN_PROGRESS"
    started: int = 0
    ended: int = 0
    error: str = ""
    detail: str = ""
    log: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Input:
    """A question to a person (the `input` step)."""

    id: str
    message: str
    ok: str = "Proceed"
    submitter: str = ""
    submitter_parameter: str = ""
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Another job's finished (or only started) build, as the `build` step sees it. duration in milliseconds."""

    job: str
    number: int
    url: str
    result: str
    duration: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)


def workspace_name(job: str) -> str:
    """A job's path below `workspaces`: its full name, but that long parts (of branches, mostly) are shortened."""

    def short(part: str) -> str:
        if len(part.encode()) <= LONGEST_FOLDER:
            return part
        digest = hashlib.sha256(part.encode()).hexdigest()[:8]
        return f"{part.encode()[: LONGEST_FOLDER - 9].decode(errors='ignore')}-{digest}"

    return "/".join(map(short, job.split("/")))


class Place(Protocol):
    """What a running pipeline asks of its surroundings: the server, or `sandbox ci run` without one.

    Calls come from many threads. Those that wait raise Aborted when the build is stopped meanwhile.
    """

    job: str
    number: int
    url: str  # of the build, ends in /
    folder: Path  # the build's own: artifacts/, stashes/, reports/; uploads/ holds what came as file parameters
    workspaces: Path  # parent of the workspaces that `node`, `ws` and `dir` use
    environment: Mapping[str, str]  # JENKINS_URL, BUILD_CAUSE and the like; the pipeline adds the usual ones
    parameters: Mapping[str, Any]
    causes: Sequence[Mapping[str, Any]]
    source: Source

    def write(self, data: bytes) -> int:
        """Appends to the build's log; the offset after it. Secrets are masked already."""
        ...

    def node(self, node: Node) -> None:
        """A stage or step began, changed or ended. The same object each time."""
        ...

    def declared(self, declared: Declared) -> None: ...
    def described(self, name: str, value: Any) -> None:
        """`displayName`, `description` or `keepLog` of the build was set; `result` when it got worse."""
        ...

    def executor(self, label: str, stopped: Callable[[], bool]) -> AbstractContextManager[str]:
        """Waits for an executor that has the label; gives the agent's name. LookupError for a label nobody has."""
        ...

    def credential(self, id: str) -> Credential | None: ...
    def ask(self, question: Input, stopped: Callable[[], bool]) -> tuple[str, Mapping[str, Any]]:
        """Waits for an answer: who gave it, and the parameters' values. Raises Aborted if it was refused."""
        ...

    def build(self, job: str, parameters: Mapping[str, Any], wait: bool, stopped: Callable[[], bool]) -> Outcome:
        """Starts another job, and says so in the log. Raises LookupError, with the reason, when it cannot be built."""
        ...

    def lock(self, resource: str, stopped: Callable[[], bool]) -> AbstractContextManager[None]: ...
    def milestone(self, ordinal: int) -> None:
        """Raises Aborted when a later build passed it already; stops earlier builds that have not."""
        ...

    def tests(self, cases: Sequence[TestCase]) -> None: ...
    def artifact(self, path: str) -> None:
        """A file was put at `folder/artifacts/<path>`."""
        ...

    def changes(self, commits: Sequence[Mapping[str, Any]], source: Source) -> None:
        """What a checkout brought since the build before: {id, author, email, message, timestamp, paths}."""
        ...

    def library(self, name: str, version: str) -> Path | None:
        """The folder of a configured shared library (it holds vars/, src/, resources/)."""
        ...

    def previous(self) -> Mapping[str, Any] | None:
        """{number, result, displayName, timestamp, duration} of the build before, for `currentBuild.previousBuild`."""
        ...
