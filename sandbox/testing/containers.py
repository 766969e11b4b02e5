"""Our services among testcontainers' own: one network, the same `with`, no Ryuk needed.

What a killed run leaves behind is known by our labels and removed by the next run or `sandbox down --stale`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from testcontainers.core.network import Network

from sandbox.testing.running import RunningSandbox
from sandbox.testing.start import Sandbox


class SandboxCompose:
    """Several services.

        with SandboxCompose("ministack", "prometheus") as sandbox:
            with PostgresContainer("postgres:18").with_network(sandbox.network) as postgres:
                sandbox.url("prometheus")

    In that network the containers reach `http://ministack:4566` by name, and our services reach theirs by
    their network aliases.
    """

    def __init__(self, *services: str, **options: Any) -> None:
        """`options` are those of `Sandbox.start`: project, keep, set, timeout, folder."""
        self._starting = Sandbox.start(*services, **options)
        self._running: RunningSandbox | None = None

    def start(self) -> SandboxCompose:
        """Brings the services up and waits until they are useful."""
        self._running = self._starting.__enter__()
        return self

    def stop(self) -> None:
        """Takes them down, with their data. What others still have on the network must be gone by then."""
        if self._running:
            self._running = None
            self._starting.__exit__(None, None, None)

    def __enter__(self) -> SandboxCompose:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def sandbox(self) -> RunningSandbox:
        """The sandbox itself: logs, faults, commands."""
        if self._running is None:
            raise RuntimeError("the sandbox is not started: use it in a `with`, or call start()")
        return self._running

    @property
    def network(self) -> Network:
        """The services' network, for testcontainers' `with_network`."""
        network = Network()
        network.name = self.sandbox.network
        return network

    @property
    def env(self) -> dict[str, str]:
        """What programs outside need: AWS_ENDPOINT_URL and the like."""
        return self.sandbox.env

    def url(self, service: str, endpoint: str = "") -> str:
        """A service's address on this computer."""
        return self.sandbox.url(service, endpoint)

    def get_logs(self) -> tuple[bytes, bytes]:
        """All lines of all services as (stdout, stderr), which are not told apart: the second is empty."""
        lines = [line for service in self.sandbox.services for line in self.sandbox.logs(service)]
        return "\n".join([*lines, ""]).encode(), b""


class SandboxContainer(SandboxCompose):
    """One service (and what it needs), with the methods that testcontainers' users know.

    with SandboxContainer("ministack") as aws:
        boto3.client("s3", endpoint_url=aws.get_url())
    """

    def __init__(self, service: str, **options: Any) -> None:
        super().__init__(service, **options)
        self.service = service

    def start(self) -> SandboxContainer:
        super().start()
        return self

    def __enter__(self) -> SandboxContainer:
        return self.start()

    def get_url(self, endpoint: str = "") -> str:
        """`http://localhost:<port>`."""
        return self.sandbox.base_url(self.service, endpoint)

    def get_container_host_ip(self) -> str:
        """Where the ports are published."""
        return "localhost"

    def get_exposed_port(self, port: int) -> int:
        """The port on this computer for one of the service's own. Raises SandboxError for one that is not published."""
        return self.sandbox.port(self.service, port)

    def exec(self, command: str | list[str]) -> tuple[int, bytes]:
        """Runs a command in the container (a text by its shell): exit code and what it printed."""
        words = ["sh", "-c", command] if isinstance(command, str) else command
        done = self.sandbox.exec(self.service, *words)
        return done.code, done.output.encode()

    def get_logs(self) -> tuple[bytes, bytes]:
        return "\n".join([*self.sandbox.logs(self.service), ""]).encode(), b""
