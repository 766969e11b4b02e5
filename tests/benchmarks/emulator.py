"""MiniStack as testcontainers' users start it."""

from __future__ import annotations

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy


def emulator(image: str) -> DockerContainer:
    """Use it in a `with`. testcontainers' LocalStackContainer would wait for a line that only LocalStack prints."""
    container = DockerContainer(image).with_exposed_ports(4566).with_env("GATEWAY_PORT", "4566")
    ready = HttpWaitStrategy(4566, "/_ministack/health").with_poll_interval(0.05)
    return container.waiting_for(ready)
