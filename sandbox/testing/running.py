"""A running sandbox in the hands of a test: addresses, logs, commands, faults."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType

from sandbox import sandbox as core
from sandbox.errors import SandboxError, UsageError

LINES = 15


@dataclass(frozen=True)
class Executed:
    """What a command in a container came to."""

    code: int
    output: str


class Fault:
    """Something broken on purpose. It ends with its `with` block, with `start(service)`, or with its test."""

    def __init__(self, service: str, end: Callable[[str], None]) -> None:
        self.service = service
        self._end = end

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(self.service)


class RunningSandbox:
    """A sandbox that is ready to be used.

    Methods take the names that `sandbox services` lists, and raise SandboxError for what is not there.
    """

    def __init__(self, sandbox: core.Sandbox, timeout: int, shared: bool = False) -> None:
        """`timeout` in seconds is how long to wait for a healed service. A `shared` one is used by other processes."""
        self._core = sandbox
        self._timeout = timeout
        self._broken: set[str] = set()
        self._before: tuple[dict[str, str], dict[tuple[str, str], str]] = {}, {}
        self.shared = shared

    @property
    def project(self) -> str:
        """The sandbox's name, for `sandbox --project NAME …` and `docker compose -p NAME …`."""
        return self._core.project

    @property
    def services(self) -> tuple[str, ...]:
        """The names of its services, the ones that others need included."""
        return tuple(self._core.catalogue().services)

    @property
    def network(self) -> str:
        """The Docker network on which its services know each other by name."""
        return f"{self.project}_default"

    @property
    def env(self) -> dict[str, str]:
        """What programs outside need: AWS_ENDPOINT_URL, PROMETHEUS_URL and the like. A fault changes none."""
        return dict(self._before[0]) if self._broken else self._core.environment()

    def url(self, service: str, endpoint: str = "") -> str:
        """The address of a service's endpoint (its first, unless named). A fault changes nothing here."""
        if self._broken and (service, endpoint) in self._before[1]:
            return self._before[1][service, endpoint]
        return self._core.url(service, endpoint)

    def base_url(self, service: str, endpoint: str = "") -> str:
        """The address without the endpoint's own path: `http://localhost:4566`."""
        return "/".join(self.url(service, endpoint).split("/")[:3])

    def port(self, service: str, port: int) -> int:
        """The port on this computer for one of a service's own."""
        return self._core.port(service, port)

    def login(self, service: str) -> tuple[str, str] | None:
        """User and password; None where no login is needed."""
        return self._core.login(service)

    def has(self, need: str) -> bool:
        """Whether a service of that name, or with that capability, is part of it."""
        return bool(self.meeting([need]))

    def meeting(self, needs: Collection[str]) -> list[str]:
        """The services with these names or capabilities."""
        services = self._core.catalogue().services.values()
        return [s.name for s in services if s.name in needs or s.provides in needs]

    def provider(self, capability: str, otherwise: str) -> str:
        """The service that offers a capability here (`aws`: ministack or localstack)."""
        services = self._core.catalogue().services.values()
        return next((s.name for s in services if s.provides == capability), otherwise)

    def logs(self, service: str, tail: int | None = None) -> list[str]:
        """The lines a service has printed, oldest first; only the last `tail` of each container if given."""
        return [line.text for line in self._core.logs([service], False, None, tail)]

    def wait_for_log(self, service: str, text: str, timeout: float = 10) -> str:
        """The first line of a service that holds the text, once there is one. Raises AssertionError if none comes."""
        deadline = time.monotonic() + timeout
        while True:
            lines = self.logs(service)
            if found := next((line for line in lines if text in line), None):
                return found
            if time.monotonic() > deadline:
                last = "\n".join(lines[-LINES:])
                raise AssertionError(f"waited {timeout:g} s for {text!r} from {service}; its last lines are:\n{last}")
            time.sleep(0.2)

    def exec(self, service: str, *command: str) -> Executed:
        """Runs a command in a service's container."""
        code, printed = self._core.output(service, command)
        return Executed(code, printed)

    def stop(self, service: str) -> Fault:
        """Stops a service; a `with` block around it starts it again."""
        return self._break(service, self._core.stop)

    def pause(self, service: str) -> Fault:
        """Freezes a service: connections stay open and nobody answers."""
        return self._break(service, self._core.pause)

    def cut_off(self, service: str) -> Fault:
        """Cuts a service's network, to the others and to us."""
        return self._break(service, self._core.cut_off)

    def start(self, service: str) -> None:
        """Ends every fault of a service and waits until it is useful again."""
        self._core.heal([service], self._timeout)
        self._broken.discard(service)

    def heal(self) -> None:
        """Ends every fault that is left."""
        for service in sorted(self._broken):
            self.start(service)

    def _break(self, service: str, how: Callable[[list[str]], None]) -> Fault:
        if self.shared:
            raise UsageError(
                f"{service} is used by other test processes, too: a fault would fail their tests",
                "give each worker a sandbox of its own: --sandbox-xdist=worker",
            )
        if not self._broken:
            self._before = self._core.environment(), self._addresses()
        self._broken.add(service)
        how([service])
        return Fault(service, self.start)

    def _addresses(self) -> dict[tuple[str, str], str]:
        """Every (service, endpoint) -> url; a service without an endpoint's name means its first."""
        services = self._core.catalogue().services.values()
        names = [(service.name, e.name) for service in services for e in service.endpoints]
        names += [(service.name, "") for service in services if service.endpoints]
        return {name: self._core.url(*name) for name in names}

    def reset(self, *services: str) -> None:
        """Fresh data for the services (all, unless named), by their own means where they have such."""
        self._core.reset(services, self._timeout)

    def describe(self, services: tuple[str, ...] = ()) -> str:
        """For a failure report: states, addresses and last log lines of the services (all, unless named)."""
        try:
            report = self._core.status()
            chosen = [state for state in report.services if not services or state.name in services]
            lines = []
            for state in chosen:
                how = "ready" if state.ready else f"not ready: {state.waiting or state.health or state.state}"
                lines.append(f"{state.name}: {how}" + (f", {state.url}" if state.url else ""))
            for state in chosen:
                lines += [f"{state.name} | {text}" for text in self.logs(state.name, LINES)[-LINES:]]
            return "\n".join(lines)
        except SandboxError as error:
            return f"its state cannot be told: {error.message}"
