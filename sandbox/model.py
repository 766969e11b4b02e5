"""The nouns of the sandbox, as frozen data. No behaviour beyond what follows from the fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LABEL_PROJECT = "sandbox.project"
LABEL_SERVICE = "sandbox.service"
LABEL_FOLDER = "sandbox.folder"
LABEL_CONFIGS = "sandbox.configs"
LABEL_OWNER = "sandbox.owner"
LABEL_RECIPE = "sandbox.recipe"


@dataclass(frozen=True)
class Check:
    """One question that a ready service answers well: an HTTP request from the host.

    `expect` is a JMESPath over the JSON answer that must be true, `contains` a text of the body.
    `waiting` names what we wait for; `show` is a JMESPath whose value is added to it.
    """

    method: str
    path: str
    expect: str = ""
    contains: str = ""
    waiting: str = ""
    show: str = ""


@dataclass(frozen=True)
class Login:
    """A user name, and the variable that holds the password."""

    user: str
    variable: str


@dataclass(frozen=True)
class Endpoint:
    """An address people use. `service` publishes `port` (the container's) on the host."""

    name: str
    service: str
    port: int
    path: str = "/"
    login: Login | None = None
    ready: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Port:
    """One published port: the variable that sets the host's side and the container's side."""

    variable: str
    default: int
    container: int
    address: str
    protocol: str = "tcp"


@dataclass(frozen=True)
class Container:
    """One Compose service of a fragment, as far as we must know it. Texts may hold `${VARIABLES}`."""

    name: str
    image: str
    memory: str
    ports: tuple[Port, ...]
    mounts: tuple[str, ...]
    volumes: tuple[str, ...]
    logging: bool
    one_shot: bool


@dataclass(frozen=True)
class Variable:
    """A `${NAME:-default}` of a fragment. Without a default it is a secret that we generate."""

    name: str
    default: str | None

    @property
    def secret(self) -> bool:
        return self.default is None


@dataclass(frozen=True)
class Fault:
    """Something that can be broken on purpose. `amount` is the usual one, `alert` what then fires."""

    name: str
    summary: str
    amount: float
    unit: str
    alert: str


@dataclass(frozen=True)
class Faults:
    """A service's faults, and the command in its containers that knows `list`, `inject NAME AMOUNT`, `clear [NAME]`."""

    command: tuple[str, ...]
    kinds: tuple[Fault, ...]


@dataclass(frozen=True)
class Service:
    """A fragment of the catalogue. `needs` are names of services, from `depends_on` and endpoints;
    `needs_capabilities` are met by any service that provides them.

    `reset` is the service's own way to forget everything at once, at its first endpoint. `state` says what a
    snapshot can keep: `volumes`, `stopped` (its volumes, which it fills when it stops) or `lost` (nothing).
    `repositories` are the folders of sources that the CI service hosts from its first start, by name.
    """

    name: str
    title: str
    summary: str
    group: str
    profiles: tuple[str, ...]
    provides: str
    disk: int
    state: str
    reset: Check | None
    endpoints: tuple[Endpoint, ...]
    env: Mapping[str, str]
    needs: tuple[str, ...]
    needs_capabilities: tuple[str, ...]
    faults: Faults | None
    repositories: Mapping[str, Path]
    containers: tuple[Container, ...]
    variables: Mapping[str, Variable]
    fragment: Path
    text: str
    configs: Path

    @property
    def volumes(self) -> tuple[str, ...]:
        return tuple(volume for container in self.containers for volume in container.volumes)


@dataclass(frozen=True)
class Value:
    """A setting's value and where it came from: `default`, `sandbox.yml:3`, `SANDBOX_X` or `--flag`."""

    value: object
    origin: str = "default"


@dataclass(frozen=True)
class Settings:
    """What the user chose. `values` holds the fragments' variables that somebody set."""

    project: str
    profile: str
    services: tuple[str, ...]
    without: tuple[str, ...]
    images: str
    registry: str
    bundle: str
    strict_ports: bool
    free_ports: bool
    timeout: int
    include: tuple[Path, ...]
    values: Mapping[str, Value]
    origins: Mapping[str, str]

    def text(self, variable: Variable) -> str:
        """The variable's value before ports, secrets and images are decided."""
        chosen = self.values.get(variable.name)
        return str(chosen.value) if chosen else variable.default or ""


@dataclass(frozen=True)
class Stack:
    """The services to run, dependencies included, in the catalogue's order, and why these.

    `left_out` maps a service to the reason it is not here although its profile names it.
    """

    services: tuple[Service, ...]
    profile: str
    reason: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, Variable]:
        """A secret of one fragment stays one where another can do without it."""
        found = [item for service in self.services for item in service.variables.items()]
        return {**dict(found), **{name: variable for name, variable in found if variable.default is None}}

    @property
    def containers(self) -> dict[str, Container]:
        return {container.name: container for service in self.services for container in service.containers}


@dataclass(frozen=True)
class Rendering:
    """The files of a sandbox's folder: relative POSIX path -> bytes. `.env` holds the secrets."""

    files: Mapping[str, bytes]
    digest: str


@dataclass(frozen=True)
class ServiceState:
    """One service as the engine and its content checks see it now. `memory` is in bytes."""

    name: str
    state: str
    health: str
    ready: bool
    url: str
    login: tuple[str, str] | None
    memory: int
    waiting: str = ""


@dataclass(frozen=True)
class Report:
    """A sandbox as it is now."""

    project: str
    services: tuple[ServiceState, ...]

    @property
    def ready(self) -> bool:
        return bool(self.services) and all(service.ready for service in self.services)


@dataclass(frozen=True)
class Event:
    """Something that happened, for people and machines to watch.

    kind: `notice`, `warning`, `image`, `service` or `done`; subject: a service or an image;
    state: one word; text: the sentence; percent: 0-100 where known; seconds: since the start.
    """

    kind: str
    subject: str = ""
    state: str = ""
    text: str = ""
    percent: float | None = None
    seconds: float | None = None


Say = Callable[[Event], None]


@dataclass(frozen=True)
class ContainerState:
    """A container of ours as the engine lists it. `ports` maps container port -> (host address, host port)."""

    id: str
    name: str
    container: str
    service: str
    project: str
    state: str
    health: str
    exit_code: int
    image: str
    folder: str
    ports: Mapping[int, tuple[str, int]]

    @property
    def settled(self) -> bool:
        """Running with nothing more to hope for from its health check."""
        return self.state == "running" and self.health in ("", "healthy")


@dataclass(frozen=True)
class FaultState:
    """A fault of a running service. `amount` 0: it is off."""

    service: str
    fault: Fault
    amount: float


@dataclass(frozen=True)
class EngineInfo:
    """What the engine says of itself. Bytes; `root` is its data folder, empty if not on this computer.

    `time` is its clock in seconds since the epoch, 0 if it does not tell; `layered` is true where a layer that
    is there once need not be sent again (containerd's image store wants an image whole).
    """

    version: str
    memory: int
    cpus: int
    os: str
    architecture: str
    root: str
    time: float = 0.0
    layered: bool = False


@dataclass(frozen=True)
class ImageFacts:
    """An image on this computer. platform: `linux/amd64`; layers: `sha256:…` of each, lowest first; size in bytes."""

    platform: str
    layers: tuple[str, ...]
    size: int
