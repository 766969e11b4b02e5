"""What each service is doing now, learned by asking it, and what has changed since we began to look."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jmespath
import urllib3
from jmespath.exceptions import JMESPathError

from console.folder import Endpoint, Folder, Service

PERIOD = 4.0  # seconds between two looks
HURRY = 1.0  # while a service is not ready
TIMEOUT = urllib3.Timeout(connect=1.0, read=3.0)
# Instance labels tell which container a series is about: `<container>:<port>`.
VERSION = '{__name__=~".+_build_info|app_info", version!=""}'
UP = "up"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """`word` is ready, waiting, stopped or unknown; `health` and `memory` (bytes) are Docker's, or empty and None."""

    word: str
    waiting: str = ""
    replicas: int = 0
    health: str = ""
    memory: int | None = None
    version: str = ""


@dataclass(frozen=True)
class Change:
    """`time` is in seconds since 1970."""

    time: float
    service: str
    text: str


@dataclass
class Watch:
    """Looks at every service each few seconds, on a thread of its own once started."""

    folder: Folder
    http: urllib3.PoolManager
    containers: Callable[[], list[dict[str, Any]]]
    resolve: Callable[[str], int] = field(default=lambda name: _addresses(name))
    states: dict[str, State] = field(default_factory=dict)
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=50))
    looked: float = 0.0

    def start(self) -> None:
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def look(self) -> None:
        """Asks every service once, all at the same time."""
        services = self.folder.services()
        facts, containers = self._facts(), self.containers()
        with ThreadPoolExecutor(max_workers=8) as pool:
            states = dict(
                zip(
                    (s.name for s in services),
                    pool.map(lambda s: self._state(s, facts, containers), services),
                    strict=True,
                )
            )
        for name, state in states.items():
            before = self.states.get(name)
            if before is not None and before.word != state.word:
                self.note(name, _told(state))
        self.states, self.looked = states, time.time()

    def note(self, service: str, text: str) -> None:
        """Remembers what somebody did."""
        self.changes.appendleft(Change(time.time(), service, text))

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                log.exception("a look at the services failed")
            calm = self.states and all(state.word == "ready" for state in self.states.values())
            time.sleep(PERIOD if calm else HURRY)

    def _state(
        self, service: Service, facts: dict[str, dict[str, tuple[float, str]]], containers: list[dict[str, Any]]
    ) -> State:
        own = [item for item in containers if item["service"] == service.name]
        health = " and ".join(sorted({", ".join(filter(None, (item["state"], item["health"]))) for item in own}))
        memory = sum(item["memory"] for item in own) or None
        counts = {name: self.resolve(name) for name in service.containers}
        replicas = counts.get(service.name, 0)
        if stopped := [name for name, count in counts.items() if not count]:
            missing = "" if stopped == [service.name] else f"{', '.join(stopped)} does not run"
            return State("stopped", missing, health=health, memory=memory)
        waiting = next((text for e in service.endpoints if (text := self._missing(e))), "")
        up = [facts["up"][name][0] for name in service.containers if name in facts["up"]]
        if not waiting and up and min(up) == 0:
            waiting = "its metrics"
        version = facts["version"].get(service.name, (0.0, ""))[1]
        return State("waiting" if waiting else "ready", waiting, replicas, health, memory, version)

    def _missing(self, endpoint: Endpoint) -> str:
        """What the endpoint's checks wait for; empty when all is well."""
        for check in endpoint.checks:
            login = endpoint.login
            headers = urllib3.make_headers(basic_auth=f"{login.user}:{login.password}") if login else {}
            try:
                answer = self.http.request(
                    "GET", endpoint.inside + check.path, headers=headers, timeout=TIMEOUT, retries=False
                )
            except urllib3.exceptions.HTTPError:
                return f"{check.waiting} (no answer)"
            if answer.status >= 400:
                return f"{check.waiting} (status {answer.status})"
            if check.contains and check.contains not in answer.data.decode(errors="replace"):
                return check.waiting
            if check.expect and not _holds(check.expect, answer.data):
                return check.waiting
        return ""

    def _facts(self) -> dict[str, dict[str, tuple[float, str]]]:
        """Kind of fact -> container -> (value, version), as far as Prometheus knows them."""
        source = next((s for s in self.folder.sources() if s.type == "prometheus"), None)
        if source is None or not self.resolve(str(urlsplit(source.url).hostname)):
            return {"up": {}, "version": {}}
        host = str(urlsplit(source.url).hostname)
        return {
            "up": self._ask(source.url, host, UP, min),
            "version": self._ask(source.url, host, VERSION, max),
        }

    def _ask(
        self, url: str, host: str, query: str, combine: Callable[[float, float], float]
    ) -> dict[str, tuple[float, str]]:
        """Container -> (value, version). Prometheus scrapes itself as localhost, which is `host` to us."""
        try:
            answer = self.http.request(
                "GET", f"{url}/api/v1/query", fields={"query": query}, timeout=TIMEOUT, retries=False
            )
            result = json.loads(answer.data)["data"]["result"]
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
            return {}
        found: dict[str, tuple[float, str]] = {}
        for series in result:
            labels = series["metric"]
            if labels.get("job") == "probes":
                continue
            name = labels.get("instance", "").rpartition(":")[0].replace("localhost", host)
            value = float(series["value"][1])
            if name in found:
                value = combine(found[name][0], value)
            found[name] = (value, labels.get("version", ""))
        return found


def _holds(expression: str, body: bytes) -> bool:
    try:
        return bool(jmespath.search(expression, json.loads(body)))
    except (ValueError, JMESPathError):
        return False


def _addresses(name: str) -> int:
    """How many running containers have this name: Docker's DNS forgets those that stopped."""
    try:
        return len({item[4][0] for item in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)})
    except OSError:
        return 0


def _told(state: State) -> str:
    return {"ready": "is ready", "stopped": "has stopped", "waiting": f"waits for {state.waiting}"}[state.word]


def as_json(service: Service, state: State | None) -> dict[str, Any]:
    """What the page shows of a service. Of logins, only that there is one, and for whom."""
    state = state or State("unknown")
    return {
        "name": service.name,
        "title": service.title,
        "summary": service.summary,
        "group": service.group,
        "advice": service.advice,
        "image": service.image,
        "version": state.version,
        "state": state.word,
        "waiting": state.waiting,
        "replicas": state.replicas,
        "health": state.health,
        "memory": state.memory,
        "memory_limit": service.memory_limit,
        "endpoints": [
            {
                "name": endpoint.name,
                "url": endpoint.url,
                "user": endpoint.login.user if endpoint.login else None,
            }
            for endpoint in service.endpoints
        ],
        "can_restart": service.name != "console",
        "can_reset": service.reset is not None and bool(service.endpoints),
        "faults": [fault.name for fault in service.faults],
    }
