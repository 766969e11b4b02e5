"""Bringing a test run's sandbox up, attaching to one that runs, and taking it down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox import catalogue, leftovers, owner, resources, settings, workspace
from sandbox import sandbox as core
from sandbox.catalogue import Catalogue
from sandbox.engine import ComposeEngine
from sandbox.errors import SandboxError, UsageError
from sandbox.model import Event, Settings
from sandbox.testing.names import name_for
from sandbox.testing.running import RunningSandbox

TIMEOUT = 180
# What a fixture asks for, and the light services that have it: first the one that is asked. A log store is of no use
# without what brings the lines.
DEFAULTS = {"aws": ("ministack",), "ci": ("ci",), "logs": ("logstore", "shipper")}


class Sandbox:
    """How test code gets a sandbox."""

    @staticmethod
    def start(
        *services: str,
        project: str = "",
        keep: bool = False,
        set: Mapping[str, object] | None = None,
        timeout: int = TIMEOUT,
        folder: Path | None = None,
    ) -> Starting:
        """Brings exactly these services up, on free ports and under a name of its own, for one `with` block.

        With `keep` it goes on running, and the next start with the same `project` and `keep` uses it again.
        `set` are variables of fragments (`sandbox config` lists them), `timeout` is in seconds, and `folder`
        is where a `sandbox.yml` may lie (the current folder, unless given).
        """
        return Starting(services, project, keep, set or {}, timeout, folder or Path.cwd())

    @staticmethod
    def attach(project: str, *services: str, timeout: int = TIMEOUT) -> RunningSandbox:
        """A sandbox that `sandbox up` started. It is left as it is. Raises SandboxError if a service is not there."""
        sandbox = core.Sandbox(project, workspace.home(os.environ), ComposeEngine(), _silent)
        running = RunningSandbox(sandbox, timeout)
        if not sandbox.engine.containers(project):
            raise SandboxError(f"there is no sandbox {project} running", f"`sandbox up --project {project}`")
        for name in services:
            if not running.has(name):
                wanted = DEFAULTS.get(name, (name,))[0]
                raise UsageError(
                    f"{wanted} is not part of the sandbox {project}, which has {', '.join(running.services)}",
                    f"`sandbox up --project {project} {' '.join([*running.services, wanted])}`",
                )
        return running


class Starting:
    """What `Sandbox.start` returns: use it in a `with` or an `async with`."""

    def __init__(
        self,
        services: Sequence[str],
        project: str,
        keep: bool,
        set: Mapping[str, object],
        timeout: int,
        folder: Path,
        shared: bool = False,
        owned_by: str = "",
    ) -> None:
        """`services` may be capabilities (`aws`). A `shared` one is only added to, and taken down by its owner."""
        self.services = tuple(services)
        self.project = project or name_for(folder, keep)
        self.keep, self.shared = keep, shared
        self.set, self.timeout, self.folder = set, timeout, folder
        label = "" if keep else owned_by or owner.label()
        self._core = core.Sandbox(self.project, workspace.home(os.environ), ComposeEngine(), _silent, label)

    def __enter__(self) -> RunningSandbox:
        leftovers.remove(self._core.engine, self._core.workspace.folder.parent, _silent)
        try:
            return self.up()
        except BaseException:
            self._end()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def __aenter__(self) -> RunningSandbox:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._end)

    def up(self, *more: str) -> RunningSandbox:
        """Brings the services up, and `more` of them. Where nothing is to be done it only looks."""
        self.services = (*self.services, *(name for name in more if name not in self.services))
        self._core.up(*self._settings())
        return RunningSandbox(self._core, self.timeout, self.shared)

    def _settings(self) -> tuple[Settings, Catalogue]:
        file = self.folder / settings.FILE
        here = tuple(self._core.catalogue().services) if self.shared else ()
        found: list[Catalogue] = []

        def read(include: Sequence[Path]) -> Catalogue:
            found.append(catalogue.read(resources.compose_folder(), resources.configs_folder(), include))
            return found[0]

        flags: dict[str, Any] = {"project": self.project, "free_ports": True, "timeout": self.timeout}
        assignments = [f"{name}={value}" for name, value in self.set.items()]
        environ = {k: v for k, v in os.environ.items() if k not in ("SANDBOX_SERVICES", "SANDBOX_PROFILE")}
        settings.load(file if file.exists() else None, environ, flags, assignments, read)
        services = tuple(dict.fromkeys([*resolve(self.services, found[0]), *here]))
        if not services:
            raise UsageError("no service was asked for", 'name them: @pytest.mark.sandbox("ministack")')
        return settings.load(
            file if file.exists() else None, environ, {**flags, "services": services}, assignments, lambda _: found[0]
        )

    def _end(self) -> None:
        try:
            if not self.keep and not self.shared:
                leftovers.remove_one(self._core)
        finally:
            self._core.engine.close()


def end_owned() -> None:
    """Takes down every sandbox that belongs to this process: what its workers shared, or left behind."""
    engine, home, mine = ComposeEngine(), workspace.home(os.environ), owner.label()
    for project, label in leftovers.owners(engine, home).items():
        if label == mine:
            leftovers.remove_one(core.Sandbox(project, home, engine, _silent))


def resolve(names: Sequence[str], known: Catalogue) -> list[str]:
    """Services for names of services or of capabilities; a capability is met by what is asked for anyway."""
    asked = [name for name in names if name not in DEFAULTS or name in known.services]
    offered = {known.services[name].provides: name for name in asked if name in known.services}
    wanted: list[str] = []
    for first, *more in (DEFAULTS[name] for name in names if name in DEFAULTS):
        if offered.get(known.services[first].provides, first) == first:
            wanted += [first, *more]
    return list(dict.fromkeys([*asked, *wanted]))


def _silent(event: Event) -> None:
    pass
