"""What the user chose: defaults, then `sandbox.yml`, then `SANDBOX_*`, then flags. Each value knows its origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import variables, yamlfile
from sandbox.catalogue import AUTO, Catalogue
from sandbox.errors import ConfigurationError, UsageError, did_you_mean
from sandbox.model import Settings, Value

FILE = "sandbox.yml"
PREFIX = "SANDBOX_"
NOT_SETTINGS = ("SANDBOX_HOME", "SANDBOX_FILE", "SANDBOX_CI_CACHE")
PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
SIZE_SUFFIX, PORT_SUFFIX, REPLICAS_SUFFIX = "_MEMORY", "_PORT", "_REPLICAS"
MOST_REPLICAS = 10  # as many servers as the gateway has room for


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


def _project(value: Any) -> str:
    if not isinstance(value, str) or not PROJECT.fullmatch(value):
        raise ValueError("must be a name of a-z, 0-9, - and _, 41 characters at most")
    return value


def _names(value: Any) -> tuple[str, ...]:
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a list of names")
    return tuple(names)


def _images(value: Any) -> str:
    known = ("auto", "pull", "build", "offline")
    if value not in known:
        raise ValueError(f"must be one of {', '.join(known)}{did_you_mean(str(value), known)}")
    return str(value)


def _registry(value: Any) -> str:
    text = value if value == "" else _text(value).rstrip("/")
    if "://" in text.removeprefix("http://") or any(character.isspace() for character in text):
        raise ValueError(
            "must be a prefix such as mirror.example:5000/team, without https://; http:// if it has no TLS"
        )
    return str(text)


def _path(value: Any) -> str:
    return value if value == "" else str(Path(_text(value)).expanduser())


def _flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ValueError("must be true or false")
    return words[str(value).lower()]


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or not 1 <= int(value) <= 86400:
        raise ValueError("must be seconds, 1 to 86400")
    return int(value)


@dataclass(frozen=True)
class Option:
    """One key of sandbox.yml; also `SANDBOX_<KEY>` and a flag of `sandbox up`."""

    default: Any
    check: Callable[[Any], Any]
    help: str


OPTIONS: Mapping[str, Option] = {
    "project": Option("sandbox", _project, "Name of the sandbox; several run side by side."),
    "profile": Option(AUTO, _text, "Set of services to run; auto takes the largest that fits this computer."),
    "services": Option((), _names, "Services to run instead of a profile."),
    "without": Option((), _names, "Services of the profile to leave out."),
    "images": Option("auto", _images, "Where images come from: auto, pull, build or offline."),
    "registry": Option("", _registry, "Prefix of a mirror to pull from instead of the images' own registries."),
    "bundle": Option("", _path, "Bundle to load images from, relative to this file: see `sandbox bundle`."),
    "strict_ports": Option(False, _flag, "Fail when a port is taken instead of moving to a free one."),
    "free_ports": Option(False, _flag, "Take any free port, so that many sandboxes start at once (test suites do)."),
    "timeout": Option(180, _seconds, "Seconds to wait until everything is ready."),
    "include": Option((), _names, "The user's own Compose fragments, relative to this file."),
}


def load(
    file: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
    assignments: Sequence[str],
    read_catalogue: Callable[[Sequence[Path]], Catalogue],
) -> tuple[Settings, Catalogue]:
    """Merges the layers and reads the catalogue they ask for.

    `file` None means `sandbox.yml` of the current folder, if there is one. `flags` holds options given
    on the command line, `assignments` its `NAME=value`s. Raises ConfigurationError with all problems.
    """
    problems: list[str] = []
    chosen = {name: Value(option.default) for name, option in OPTIONS.items()}
    values: dict[str, Value] = {}
    _from_file(file, chosen, values, problems)
    ignored = _from_environment(environ, chosen, values, problems)
    _from_flags(flags, assignments, chosen, values, problems)
    include: tuple[str, ...] = _names(chosen["include"].value)
    try:
        catalogue = read_catalogue([Path(path) for path in include])
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    _resolve_unknown(ignored, values, catalogue, problems)
    _check_values(values, catalogue, problems)
    _check_profile(chosen["profile"], catalogue, problems)
    if problems:
        raise ConfigurationError(problems)
    fields: dict[str, Any] = {name: value.value for name, value in chosen.items()}
    fields["include"] = tuple(Path(path) for path in include)
    origins = {name: value.origin for name, value in chosen.items()}
    return Settings(**fields, values=values, origins=origins), catalogue


def _from_file(path: Path | None, chosen: dict[str, Value], values: dict[str, Value], problems: list[str]) -> None:
    if path is None and not Path(FILE).exists():
        return
    if path is not None and not path.exists():
        raise UsageError(f"there is no file {path}")
    file = yamlfile.read(path or Path(FILE))
    if file.data is not None and not isinstance(file.data, dict):
        file.problem("must be a mapping such as `profile: lite`")
    data = file.data if isinstance(file.data, dict) else {}
    for key, value in data.items():
        if key == "settings" and isinstance(value, dict):
            for name, text in value.items():
                if isinstance(text, dict | list) or text is None:
                    file.problem(f"{name} must be a text or a number", "settings", str(name))
                else:
                    values[str(name)] = Value(_scalar(text), file.place("settings", str(name)))
        elif key == "settings":
            file.problem("settings must be a mapping such as `PROMETHEUS_PORT: 9091`", "settings")
        elif key not in OPTIONS:
            file.problem(f"unknown key {key}{did_you_mean(str(key), [*OPTIONS, 'settings'])}", str(key))
        else:
            _take(chosen, str(key), value, file.place(str(key)), problems)
    if "include" in data and chosen["include"].origin != "default":
        folder = file.path.parent
        paths = tuple(str(folder / name) for name in chosen["include"].value)  # type: ignore[attr-defined]
        chosen["include"] = Value(paths, chosen["include"].origin)
    if "bundle" in data and chosen["bundle"].value:
        chosen["bundle"] = Value(str(file.path.parent / str(chosen["bundle"].value)), chosen["bundle"].origin)
    problems += file.problems


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_environment(
    environ: Mapping[str, str], chosen: dict[str, Value], values: dict[str, Value], problems: list[str]
) -> list[str]:
    """Takes what is meant for us; returns the names that only a fragment's variable could explain."""
    others = []
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        key = name.removeprefix(PREFIX)
        if key.lower() in OPTIONS:
            _take(chosen, key.lower(), text, name, problems)
        else:
            values[key] = Value(text, name)
            others.append(name)
    return others


def _from_flags(
    flags: Mapping[str, Any],
    assignments: Sequence[str],
    chosen: dict[str, Value],
    values: dict[str, Value],
    problems: list[str],
) -> None:
    for key, value in flags.items():
        if value is not None and value != ():
            origin = "command line" if key == "services" else f"--{key.replace('_', '-')}"
            _take(chosen, key, value, origin, problems)
    if chosen["profile"].origin.startswith("--") and chosen["services"].origin != "command line":
        chosen["services"] = Value((), chosen["profile"].origin)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            problems.append(f"--set {assignment}: write --set NAME=value")
        else:
            values[name] = Value(text, "--set")


def _take(chosen: dict[str, Value], key: str, value: Any, origin: str, problems: list[str]) -> None:
    try:
        chosen[key] = Value(OPTIONS[key].check(value), origin)
    except ValueError as error:
        problems.append(f"{origin}: {key} {error}")


def _resolve_unknown(names: Sequence[str], values: dict[str, Value], catalogue: Catalogue, problems: list[str]) -> None:
    """A `SANDBOX_X` that nearly matches a setting is a typing error; any other belongs to somebody else."""
    known = [*(key.upper() for key in OPTIONS), *catalogue.variables]
    for name in names:
        key = name.removeprefix(PREFIX)
        if key not in catalogue.variables and values[key].origin == name:
            if near := did_you_mean(key, known):
                problems.append(f"{name}: unknown setting {key}{near}")
            del values[key]


def _check_values(values: Mapping[str, Value], catalogue: Catalogue, problems: list[str]) -> None:
    for name, value in values.items():
        text = str(value.value)
        if name not in catalogue.variables:
            problems.append(f"{value.origin}: unknown setting {name}{did_you_mean(name, catalogue.variables)}")
        elif name.endswith(PORT_SUFFIX) and not (text.isdecimal() and 1 <= int(text) <= 65535):
            problems.append(f"{value.origin}: {name} must be a port, 1 to 65535, not {text!r}")
        elif name.endswith(REPLICAS_SUFFIX) and not (text.isdecimal() and 1 <= int(text) <= MOST_REPLICAS):
            problems.append(f"{value.origin}: {name} must be a number from 1 to {MOST_REPLICAS}, not {text!r}")
        elif name.endswith(SIZE_SUFFIX):
            try:
                variables.size(text)
            except ValueError as error:
                problems.append(f"{value.origin}: {name}: {error}")
        elif "'" in text or "\n" in text:
            problems.append(f"{value.origin}: {name} must not hold a quote (') or a line break")


def _check_profile(profile: Value, catalogue: Catalogue, problems: list[str]) -> None:
    known = (AUTO, *catalogue.profiles)
    if profile.value in catalogue.services:
        problems.append(f"{profile.origin}: {profile.value} is a service, not a profile: `sandbox up {profile.value}`")
    elif profile.value not in known:
        near = did_you_mean(str(profile.value), known)
        problems.append(f"{profile.origin}: there is no profile {profile.value}{near} (there are {', '.join(known)})")
