"""The catalogue: Compose fragments read into Services, and the choice of a Stack from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox import expression, variables, yamlfile
from sandbox.errors import ConfigurationError, UsageError, did_you_mean
from sandbox.model import Check, Container, Endpoint, Fault, Faults, Login, Port, Service, Stack, Variable
from sandbox.yamlfile import YamlFile

AUTO = "auto"
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
NAMED = re.compile(r"[A-Za-z0-9][\w.-]*")  # a volume; all else that is mounted begins with a dot, a slash or a $
PUBLISHED = re.compile(
    r"(?:(?P<address>[0-9.]+|\$\{[A-Z0-9_]+:-[0-9.]+\}):)?"
    r"(?:\$\{(?P<variable>[A-Z0-9_]+):-(?P<default>\d+)\}|(?P<fixed>\d+)):(?P<container>\d+)(?:/(?P<protocol>tcp|udp))?"
)
KEYS = {
    *("title", "summary", "try", "group", "profiles", "provides", "needs", "disk", "state", "reset"),
    *("endpoints", "env", "faults", "repositories"),
}
ENDPOINT_KEYS = {"service", "port", "path", "login", "ready"}
STATES = ("volumes", "stopped", "lost")
METHODS = ("get", "put", "post", "delete")
FAULT_KEYS = {"summary", "amount", "unit", "alert"}
CHECK_KEYS = {*METHODS, "expect", "contains", "waiting", "show"}


@dataclass(frozen=True)
class Catalogue:
    """Every service that can be chosen, in a steady order, and the profiles they name."""

    services: Mapping[str, Service]

    @property
    def profiles(self) -> dict[str, tuple[str, ...]]:
        """Profile -> names of its own services (dependencies not yet added)."""
        found: dict[str, list[str]] = {}
        for service in self.services.values():
            for profile in service.profiles:
                found.setdefault(profile, []).append(service.name)
        return {profile: tuple(names) for profile, names in sorted(found.items())}

    @property
    def variables(self) -> dict[str, Variable]:
        return {name: v for service in self.services.values() for name, v in service.variables.items()}


def read(built_in: Path, configs: Path, include: Sequence[Path] = ()) -> Catalogue:
    """Reads `<built_in>/*.yml`, with configs in `<configs>/<service>/`, then the user's own fragments,
    whose configs lie in `configs/<service>/` beside each. Raises ConfigurationError with all problems.
    """
    problems: list[str] = []
    services: dict[str, Service] = {}
    places = [(path, configs) for path in sorted(built_in.glob("*.yml"))]
    places += [(path, path.parent / "configs") for path in include]
    for path, configs_folder in places:
        service = _read_fragment(path, configs_folder, problems)
        if service is None:
            continue
        if service.name in services:
            problems.append(f"{path}: there is a service {service.name} already ({services[service.name].fragment})")
        services[service.name] = service
    mine = {path.stem for path in include}
    profiles = tuple(sorted({profile for s in services.values() for profile in s.profiles}))
    for name in mine & services.keys():
        if not services[name].profiles:
            services[name] = replace(services[name], profiles=profiles)
    problems += _cross_check(services)
    if problems:
        raise ConfigurationError(problems)
    return Catalogue(services)


def choose(catalogue: Catalogue, names: Sequence[str], profile: str, without: Sequence[str], reason: str = "") -> Stack:
    """The services named, or else the profile's, less `without`, plus everything they need.

    Raises UsageError for unknown names, for two services with one capability, and when a
    service left out is needed by one that stays.
    """
    problems = [_unknown(catalogue, name) for name in (*names, *without) if name not in catalogue.services]
    if problems:
        raise UsageError("\n".join(problems), "`sandbox services` lists them")
    if not names and profile not in catalogue.profiles:
        raise UsageError(
            f"there is no profile {profile}{did_you_mean(profile, catalogue.profiles)}", "`sandbox profiles` lists them"
        )
    wanted = [n for n in names or catalogue.profiles[profile] if n not in without]
    chosen = _closure(catalogue, wanted, without)
    for name in without:
        if name in chosen:
            needed_by = [n for n in chosen if name in catalogue.services[n].needs]
            raise UsageError(f"{name} cannot be left out: {', '.join(needed_by)} needs it")
    if not chosen:
        raise UsageError("no service is left to run", "`sandbox services` lists what there is")
    services = tuple(s for n, s in catalogue.services.items() if n in chosen)
    _refuse_two_providers(services)
    return Stack(services, "" if names else profile, reason or ("named" if names else f"profile {profile}"))


def dependents(catalogue: Catalogue, names: Iterable[str], missing: Iterable[str]) -> set[str]:
    """Which of the names cannot run without the missing services (the missing ones included)."""
    lost = set(missing)
    return {name for name in names if lost & _closure(catalogue, [name])}


def _unknown(catalogue: Catalogue, name: str) -> str:
    if name in catalogue.profiles:
        return f"{name} is a profile: sandbox up --profile {name}"
    return f"there is no service {name}{did_you_mean(name, catalogue.services)}"


def _closure(catalogue: Catalogue, names: Iterable[str], without: Iterable[str] = ()) -> set[str]:
    chosen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in chosen:
            chosen.add(name)
            waiting += catalogue.services[name].needs
        if not waiting:
            waiting += _providers(catalogue, chosen, without)
    return chosen


def _providers(catalogue: Catalogue, chosen: Iterable[str], without: Iterable[str]) -> list[str]:
    """Who is to join, for each capability that is needed and not provided: the smallest that may."""
    services = [catalogue.services[name] for name in chosen]
    needed = {capability: s.name for s in services for capability in s.needs_capabilities}
    joining = []
    for capability in needed.keys() - {service.provides for service in services}:
        able = [s for s in catalogue.services.values() if s.provides == capability and s.name not in without]
        if not able:
            raise UsageError(f"{needed[capability]} needs {capability}, and what provides it is left out")
        joining.append(min(able, key=lambda service: service.disk).name)
    return joining


def _refuse_two_providers(services: Sequence[Service]) -> None:
    providers: dict[str, list[str]] = {}
    for service in services:
        if service.provides:
            providers.setdefault(service.provides, []).append(service.name)
    for capability, names in providers.items():
        if len(names) > 1:
            raise UsageError(
                f"{' and '.join(names)} both provide {capability}, on the same port: a sandbox runs one of them",
                f"leave one out: --without {names[-1]}",
            )


def _cross_check(services: Mapping[str, Service]) -> list[str]:
    problems = []
    owners: dict[str, Service] = {}
    for service in services.values():
        for need in service.needs:
            if need not in services:
                known = did_you_mean(need, services)
                problems.append(f"{service.fragment}: {service.name} needs {need}, which no fragment defines{known}")
        for capability in service.needs_capabilities:
            if capability not in {other.provides for other in services.values()}:
                problems.append(f"{service.fragment}: {service.name} needs {capability}, which nothing provides")
        for container in service.containers:
            other = owners.setdefault(container.name, service)
            if other is not service:
                problems.append(f"{service.fragment}: {container.name} is defined in {other.fragment} too")
    for service in services.values():
        for endpoint in service.endpoints:
            host = services.get(endpoint.service)
            if host and not any(p.container == endpoint.port for c in host.containers for p in c.ports):
                problems.append(
                    f"{service.fragment}: endpoint {endpoint.name}: {endpoint.service} has no port {endpoint.port}"
                )
    return problems


def _read_fragment(path: Path, configs: Path, problems: list[str]) -> Service | None:
    file = yamlfile.read(path)
    service = _parse(file, configs / path.stem) if isinstance(file.data, dict) else None
    if file.data is not None and service is None and not file.problems:
        file.problem("is not a Compose file: it should hold `services:`")
    problems += file.problems
    return service if not file.problems else None


def _parse(file: YamlFile, configs: Path) -> Service | None:
    name, compose = file.path.stem, file.data.get("services")
    if not NAME.fullmatch(name):
        file.problem(f"the file's name must be a service's name (a-z, 0-9, -), not {name!r}")
    if not isinstance(compose, dict):
        return None
    if name not in compose:
        file.problem(f"must define the service {name}, after which the file is named", "services")
    for other in compose:
        if other != name and not str(other).startswith(f"{name}-"):
            file.problem(f"{other} must be called {name}-…: helpers carry their service's name", "services", str(other))
        if not isinstance(compose[other], dict):
            file.problem(f"{other} must be a mapping", "services", str(other))
    for forbidden in ("networks", "include", "name", "secrets", "configs"):
        if forbidden in file.data:
            file.problem(f"{forbidden} is not supported in a fragment", forbidden)
    wrong: list[str] = []
    found = variables.find(file.scalars, wrong)
    file.problems += [f"{file.path}:{text}" for text in wrong]
    about = _about(file)
    if file.problems:
        return None
    endpoints = _endpoints(file, name, about.get("endpoints") or {})
    resets = _checks(file, [about["reset"]], "x-sandbox", "reset") if "reset" in about else ()
    needs = {str(need) for container in compose.values() for need in container.get("depends_on") or ()}
    needs |= {endpoint.service for endpoint in endpoints}
    try:
        containers = tuple(_container(file, str(key), value) for key, value in compose.items())
    except (AttributeError, TypeError, ValueError) as error:
        file.problem(f"cannot be understood: {error}", "services")
        return None
    return Service(
        name=name,
        title=str(about.get("title") or name.replace("-", " ").capitalize()),
        summary=str(about.get("summary") or ""),
        group=str(about.get("group") or "own"),
        profiles=tuple(about.get("profiles") or ()),
        provides=str(about.get("provides") or ""),
        disk=_size(file, about.get("disk", 0), "x-sandbox", "disk"),
        state=str(about.get("state", STATES[0])),
        reset=resets[0] if resets else None,
        endpoints=endpoints,
        env={str(key): str(value) for key, value in (about.get("env") or {}).items()},
        needs=tuple(sorted(need for need in needs if need not in compose)),
        needs_capabilities=tuple(about.get("needs") or ()),
        faults=_faults(file, about.get("faults") or {}),
        repositories=_repositories(file, about.get("repositories") or {}),
        containers=containers,
        variables=found,
        fragment=file.path,
        text=file.text,
        configs=configs,
    )


def _about(file: YamlFile) -> dict[str, Any]:
    about = file.data.get("x-sandbox") or {}
    if not isinstance(about, dict):
        file.problem("x-sandbox must be a mapping", "x-sandbox")
        return {}
    _refuse_unknown(file, about, KEYS, "x-sandbox")
    for key, kind in (("profiles", list), ("needs", list), ("endpoints", dict), ("env", dict), ("faults", dict)):
        if not isinstance(about.get(key) or kind(), kind):
            file.problem(f"{key} must be a {'list' if kind is list else 'mapping'}", "x-sandbox", key)
    if not isinstance(about.get("repositories") or {}, dict):
        file.problem("repositories must be a mapping", "x-sandbox", "repositories")
    if about.get("state", STATES[0]) not in STATES:
        file.problem(f"state must be one of {', '.join(STATES)}", "x-sandbox", "state")
    if isinstance(about.get("profiles"), list) and AUTO in about["profiles"]:
        file.problem(f"{AUTO} is no profile: it chooses one", "x-sandbox", "profiles")
    return about


def _refuse_unknown(file: YamlFile, data: Mapping[str, Any], known: set[str], *keys: str) -> None:
    for key in data:
        if key not in known:
            file.problem(f"unknown key {key}{did_you_mean(str(key), known)}", *keys, str(key))


def _endpoints(file: YamlFile, name: str, data: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    endpoints = []
    for key, value in data.items():
        at = ("x-sandbox", "endpoints", str(key))
        if not isinstance(value, dict) or not isinstance(value.get("port"), int):
            file.problem(f"endpoint {key} needs a port (the container's, a number)", *at)
            continue
        _refuse_unknown(file, value, ENDPOINT_KEYS, *at)
        login = value.get("login")
        if login is not None and (not isinstance(login, dict) or set(login) != {"user", "password"}):
            file.problem("login needs user and password (a variable's name)", *at, "login")
            login = None
        endpoints.append(
            Endpoint(
                name=str(key),
                service=str(value.get("service", name)),
                port=value["port"],
                path=str(value.get("path", "/")),
                login=Login(str(login["user"]), str(login["password"])) if login else None,
                ready=_checks(file, value.get("ready") or [], *at, "ready"),
            )
        )
    return tuple(endpoints)


def _faults(file: YamlFile, data: Mapping[str, Any]) -> Faults | None:
    if not data:
        return None
    at = ("x-sandbox", "faults")
    command, kinds = data.get("command"), data.get("kinds")
    if set(data) != {"command", "kinds"} or not isinstance(command, list) or not isinstance(kinds, dict):
        file.problem("faults needs a command (a list) and kinds (a mapping)", *at)
        return None
    found = []
    for name, about in kinds.items():
        if not isinstance(about, dict) or set(about) != FAULT_KEYS or not isinstance(about["amount"], int | float):
            file.problem(f"fault {name} needs {', '.join(sorted(FAULT_KEYS))} (amount is a number)", *at, "kinds")
            continue
        texts = {key: str(about[key]) for key in ("summary", "unit", "alert")}
        found.append(Fault(name=str(name), amount=about["amount"], **texts))
    return Faults(tuple(map(str, command)), tuple(found))


def _repositories(file: YamlFile, data: Mapping[str, Any]) -> dict[str, Path]:
    """Folders beside the fragment; in a sandbox's folder they are where the CI service finds them."""
    rendered = file.path.parent.parent / "contributions" / "seeds" / file.path.stem / "repositories"
    found = {}
    for name, told in data.items():
        folder = rendered / str(name) if (rendered / str(name)).is_dir() else file.path.parent / str(told)
        found[str(name)] = folder
        if not NAME.fullmatch(str(name)) or not folder.is_dir():
            file.problem(f"repository {name} needs a folder; {folder} is none", "x-sandbox", "repositories")
    return found


def _checks(file: YamlFile, data: Any, *at: str) -> tuple[Check, ...]:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        file.problem("ready must be a list of checks such as `- get: /healthz`", *at)
        return ()
    checks = []
    for index, item in enumerate(data):
        here = (*at, str(index))
        _refuse_unknown(file, item, CHECK_KEYS, *here)
        methods = [method for method in METHODS if method in item]
        if len(methods) != 1:
            file.problem(f"a check has one of {', '.join(METHODS)}", *here)
            continue
        for key in ("expect", "show"):
            if wrong := expression.problem(str(item.get(key, ""))):
                file.problem(f"{key} is not JMESPath: {wrong}", *here, key)
        words = {key: str(item.get(key, "")) for key in ("expect", "contains", "waiting", "show")}
        checks.append(Check(methods[0].upper(), str(item[methods[0]]), **words))
    return tuple(checks)


def _container(file: YamlFile, name: str, data: Mapping[str, Any]) -> Container:
    sources = [_mount_source(mount) for mount in data.get("volumes") or ()]
    return Container(
        name=name,
        image="" if "build" in data else str(data.get("image", "")),
        memory=str(data.get("mem_limit", "0")),
        ports=tuple(p for entry in data.get("ports") or () if (p := _port(file, name, entry))),
        mounts=tuple(str(PurePosixPath(source)) for source in sources if source.startswith("./")),
        # Also those of another fragment, which the two share.
        volumes=tuple(source for source in sources if NAMED.fullmatch(source)),
        logging="logging" in data,
        one_shot=str(data.get("restart", "no")) == "no" and name != file.path.stem,
    )


def _mount_source(mount: Any) -> str:
    return str(mount.get("source", "")) if isinstance(mount, dict) else str(mount).split(":", 1)[0]


def _port(file: YamlFile, name: str, entry: Any) -> Port | None:
    match = PUBLISHED.fullmatch(str(entry))
    if not match:
        file.problem(f"port {entry} should look like 127.0.0.1:${{NAME_PORT:-8000}}:8000", "services", name, "ports")
        return None
    return Port(
        variable=match["variable"] or "",
        default=int(match["default"] or match["fixed"]),
        container=int(match["container"]),
        address=match["address"] or "0.0.0.0",
        protocol=match["protocol"] or "tcp",
    )


def _size(file: YamlFile, value: Any, *at: str) -> int:
    try:
        return variables.size(str(value))
    except ValueError as error:
        file.problem(str(error), *at)
        return 0
