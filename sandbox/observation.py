"""What a service's containers amount to: one word, an address, a login, and what it still waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox import readiness
from sandbox.model import ContainerState, Endpoint, Service

EVERYWHERE = ("", "127.0.0.1", "0.0.0.0", "::")  # addresses at which localhost reaches a port


def word_of(service: Service, states: Sequence[ContainerState]) -> str:
    """One word for a service's containers: missing, created, starting, unhealthy, exited, healthy."""
    one_shots = {container.name for container in service.containers if container.one_shot}
    lasting = [state for state in states if state.container not in one_shots]
    failed = [s for s in states if s.state in ("exited", "dead") and (s.exit_code or s.container not in one_shots)]
    if failed or not lasting:
        return "exited" if failed else "missing"
    for state in lasting:
        if state.state != "running":
            return state.state
        if state.health == "unhealthy":
            return "unhealthy"
    return "healthy" if all(state.settled for state in lasting) else "starting"


def url_of(endpoint: Endpoint | None, containers: Sequence[ContainerState]) -> str:
    """`http://localhost:<port>` of the endpoint, from what the engine publishes now."""
    for state in containers:
        if endpoint and state.container == endpoint.service and endpoint.port in state.ports:
            address, port = state.ports[endpoint.port]
            return f"http://{'localhost' if address in EVERYWHERE else address}:{port}"
    return ""


def login_of(service: Service | None, values: Mapping[str, str]) -> tuple[str, str] | None:
    """User and password of a service, from the rendered values; None where no login is needed."""
    for endpoint in service.endpoints if service else ():
        if endpoint.login and endpoint.login.variable in values:
            return endpoint.login.user, values[endpoint.login.variable]
    return None


def content_missing(
    service: Service, containers: Sequence[ContainerState], values: Mapping[str, str], read_only: bool = False
) -> str:
    """What the service's content checks wait for; empty when all is well."""
    for endpoint in service.endpoints:
        if not endpoint.ready:
            continue
        address = url_of(endpoint, containers)
        if not address:
            return f"port {endpoint.port} of {endpoint.service}"
        user = (endpoint.login.user, values.get(endpoint.login.variable, "")) if endpoint.login else None
        if reason := readiness.missing(endpoint.ready, address, user, read_only):
            return reason
    return ""


def waiting_for(
    service: Service | None,
    own: Sequence[ContainerState],
    containers: Sequence[ContainerState],
    values: Mapping[str, str],
) -> str:
    """Why a service is not useful yet, changing nothing by asking; empty when it is."""
    if service is None:
        return "" if all(state.settled for state in own) else own[0].health or own[0].state
    said = word_of(service, own)
    return content_missing(service, containers, values, read_only=True) if said == "healthy" else said
