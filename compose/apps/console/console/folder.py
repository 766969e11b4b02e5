"""The sandbox's folder as the container sees it: which services there are, where, and what they contribute."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REFERENCE = re.compile(r"\$\{(\w+)(?::?[-?]([^{}]*))?\}|\$(\w+)")
PUBLISHED = re.compile(r"127\.0\.0\.1:(\d+):(\d+)")
SIZE = re.compile(r"(\d+)([kmg]?)b?", re.IGNORECASE)
METHODS = ("post", "put", "delete")
UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


@dataclass(frozen=True)
class Login:
    user: str
    password: str


@dataclass(frozen=True)
class Check:
    """A question without side effects that a ready service answers well."""

    path: str
    expect: str
    contains: str
    waiting: str


@dataclass(frozen=True)
class Endpoint:
    """`inside` is its address on the sandbox's network, `port` the one published on the user's computer, or 0."""

    name: str
    inside: str
    port: int
    path: str
    login: Login | None
    checks: tuple[Check, ...]

    @property
    def url(self) -> str:
        """Its address on the user's computer, if it has one."""
        return f"http://localhost:{self.port}{self.path}" if self.port else ""


@dataclass(frozen=True)
class Fault:
    """Something to break on purpose: how much of it unless told, and the alert that it sets off, if one."""

    name: str
    summary: str
    amount: float
    unit: str
    alert: str


@dataclass(frozen=True)
class Reset:
    """The request to its first endpoint that makes a service forget everything."""

    method: str
    path: str


@dataclass(frozen=True)
class Service:
    """A service of this sandbox. `containers` are those that last and have a name, `memory_limit` is in bytes."""

    name: str
    title: str
    summary: str
    group: str
    provides: str
    advice: str
    image: str
    memory_limit: int
    containers: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    reset: Reset | None
    fault_command: tuple[str, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Source:
    """A data source that dashboards name by its uid."""

    uid: str
    type: str
    name: str
    url: str
    login: Login | None
    interval: str
    index: str
    time_field: str


class Folder:
    """Reads `path` anew at each question: the folder is small, and may change under a running console."""

    def __init__(self, path: Path, values: Mapping[str, str]) -> None:
        self.path = path
        self.values = values

    @property
    def project(self) -> str:
        return str(_yaml(self.path / "compose.yaml").get("name", "sandbox"))

    def services(self) -> list[Service]:
        """In the order of their names. What cannot be read is left out: `sandbox up` has refused it already."""
        fragments = {path.stem: _yaml(path) for path in sorted((self.path / "services").glob("*.yml"))}
        ports = {
            (container, int(match[2])): int(match[1])
            for fragment in fragments.values()
            for container, spec in (fragment.get("services") or {}).items()
            for entry in spec.get("ports") or ()
            if (match := PUBLISHED.fullmatch(self.expand(str(entry))))
        }
        return [self._service(name, fragment, ports) for name, fragment in fragments.items() if fragment]

    def sources(self) -> list[Source]:
        files = sorted((self.path / "contributions" / "datasources").glob("*.yml"))
        return [self._source(item) for file in files for item in _yaml(file).get("datasources") or ()]

    def dashboards(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Every contributed dashboard that is JSON with a uid."""
        for path in sorted((self.path / "contributions" / "dashboards").glob("*/*.json")):
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(data, dict) and data.get("uid"):
                yield path, data

    def expand(self, text: str) -> str:
        """`$NAME`, `${NAME}` and `${NAME:-default}` as Compose and Grafana understand them."""
        return REFERENCE.sub(lambda match: self.values.get(match[1] or match[3]) or match[2] or "", text)

    def _service(self, name: str, fragment: dict[str, Any], ports: Mapping[tuple[str, int], int]) -> Service:
        about, specs = fragment.get("x-sandbox") or {}, fragment.get("services") or {}
        # One-shots are over.
        lasting = {key: spec for key, spec in specs.items() if key == name or spec.get("restart", "no") != "no"}
        reset, faults = about.get("reset") or {}, about.get("faults") or {}
        return Service(
            name=name,
            title=str(about.get("title") or name.replace("-", " ").capitalize()),
            summary=str(about.get("summary") or ""),
            group=str(about.get("group") or "own"),
            provides=str(about.get("provides") or ""),
            advice=str(about.get("try") or ""),
            image=self.expand(str(specs.get(name, {}).get("image", ""))),
            memory_limit=sum(_size(self.expand(str(spec.get("mem_limit", "0")))) for spec in lasting.values()),
            # Docker's DNS knows only containers with a network.
            containers=tuple(key for key, spec in lasting.items() if spec.get("network_mode") != "none"),
            endpoints=tuple(
                self._endpoint(name, str(key), item, ports) for key, item in (about.get("endpoints") or {}).items()
            ),
            reset=next((Reset(m.upper(), str(reset[m])) for m in METHODS if m in reset), None),
            fault_command=tuple(map(str, faults.get("command") or ())),
            faults=tuple(
                Fault(
                    str(key),
                    str(item.get("summary", "")),
                    float(item.get("amount", 1)),
                    str(item.get("unit", "")),
                    str(item.get("alert") or ""),
                )
                for key, item in (faults.get("kinds") or {}).items()
            ),
        )

    def _endpoint(
        self, service: str, name: str, item: dict[str, Any], ports: Mapping[tuple[str, int], int]
    ) -> Endpoint:
        container = str(item.get("service", service))
        login = item.get("login")
        checks = [c for c in item.get("ready") or () if "get" in c]
        return Endpoint(
            name=name,
            inside=f"http://{container}:{item['port']}",
            port=ports.get((container, item["port"]), 0),
            path=str(item.get("path", "/")),
            login=Login(str(login["user"]), self.values.get(login["password"], "")) if login else None,
            checks=tuple(
                Check(
                    str(c["get"]),
                    str(c.get("expect", "")),
                    str(c.get("contains", "")),
                    str(c.get("waiting") or f"GET {c['get']}"),
                )
                for c in checks
            ),
        )

    def _source(self, item: dict[str, Any]) -> Source:
        user, secret = str(item.get("basicAuthUser", "")), item.get("secureJsonData") or {}
        more = item.get("jsonData") or {}
        password = self.expand(str(secret.get("basicAuthPassword", "")))
        return Source(
            uid=str(item["uid"]),
            type=str(item["type"]),
            name=str(item["name"]),
            url=self.expand(str(item["url"])).rstrip("/"),
            login=Login(self.expand(user), password) if item.get("basicAuth") else None,
            interval=str(more.get("timeInterval") or "15s"),
            index=str(more.get("index") or item.get("database") or ""),
            time_field=str(more.get("timeField") or ""),
        )


def _yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError):
        return {}
    return data if isinstance(data, dict) else {}


def _size(text: str) -> int:
    match = SIZE.fullmatch(text)
    return int(match[1]) * UNITS[match[2].lower()] if match else 0
