"""Serves until SIGTERM, then removes what is left of agents. Settings: PROXY_PROJECT, PROXY_MEMORY, PROXY_SOCKET."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import sys
import threading
from pathlib import Path
from urllib.parse import quote

from docker_proxy.proxy import API, Engine, Handler, Judge, Server
from docker_proxy.rules import LABEL, Limits

ENGINE = "/var/run/docker.sock"
UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
TROUBLE = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
PAUSE = 3  # seconds between two looks at agents whose build is gone


def size(text: str) -> int:
    """Bytes of `512m` and the like. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([bkmg]?)b?", text.strip().lower())
    if not match:
        raise ValueError(f"{text!r} is no size such as 512m")
    return int(match[1]) * UNITS[match[2]]


def ready(engine: Engine, limits: Limits) -> str:
    """Makes the agents' network, and removes what an earlier proxy left. What is wrong, if anything is."""
    status, found = engine.ask("GET", "/version")
    if status != 200:
        return f"Docker agents need Docker Engine 26 or later (API {API}): {(found or {}).get('message', status)}"
    sweep(engine, limits)
    network = {"Name": limits.network, "Driver": "bridge", "CheckDuplicate": True, "Labels": limits.labels}
    status, found = engine.ask("POST", "/networks/create", network)
    if status == 409:
        status, found = engine.ask("GET", f"/networks/{limits.network}")
        if (found.get("Labels") or {}).get(LABEL) == limits.project:
            return ""
    return (
        ""
        if status == 201
        else f"the agents' network {limits.network} cannot be made: {found.get('message', 'it is another one')}"
    )


def sweep(engine: Engine, limits: Limits) -> None:
    """Removes every agent, with its volumes, and what was built for agents."""
    for id in _listed(engine, "containers", f"{LABEL}={limits.project}"):
        engine.ask("DELETE", f"/containers/{id}?force=1&v=1")
    for id in _listed(engine, "images", f"{LABEL}={limits.project}"):
        engine.ask("DELETE", f"/images/{quote(id)}?force=1")


def orphans(engine: Engine, limits: Limits) -> list[str]:
    """Agents that are older than the CI service's current run, or that it left running: their builds are gone."""
    agents = _listed(engine, "containers", f"{LABEL}={limits.project}")
    if not agents:
        return []
    labels = (f"com.docker.compose.project={limits.project}", "com.docker.compose.service=ci")
    states = [engine.ask("GET", f"/containers/{id}/json")[1]["State"] for id in _listed(engine, "containers", *labels)]
    began = min((state["StartedAt"] for state in states if state["Running"]), default="9")
    found = [engine.ask("GET", f"/containers/{id}/json") for id in agents]
    return [about["Id"] for status, about in found if status == 200 and about["Created"] < began]


def _listed(engine: Engine, kind: str, *labels: str) -> list[str]:
    filters = quote(json.dumps({"label": labels}))
    return [str(each["Id"]) for each in engine.ask("GET", f"/{kind}/json?all=1&filters={filters}")[1] or ()]


def watch(engine: Engine, limits: Limits, ended: threading.Event) -> None:
    while not ended.wait(PAUSE):
        try:
            for id in orphans(engine, limits):
                engine.ask("DELETE", f"/containers/{id}?force=1&v=1")
        except TROUBLE as error:
            print(f"looking for agents without a build: {error}", file=sys.stderr, flush=True)


def lend(client: Path, to: Path) -> None:
    """Docker's client, beside the socket: the CI service has none of its own. A build may be running the last one."""
    part = to.with_suffix(".part")
    shutil.copyfile(client, part)
    part.chmod(0o755)
    part.replace(to)


def main() -> int:
    project, path = os.environ["PROXY_PROJECT"], Path(os.environ.get("PROXY_SOCKET", "/run/docker/docker.sock"))
    memory = size(os.environ.get("PROXY_MEMORY", "512m"))
    limits = Limits(project, f"{project}_ci-data", "/var/lib/ci", f"{project}_docker-agents", memory)
    engine = Engine(os.environ.get("PROXY_ENGINE", ENGINE))
    if wrong := ready(engine, limits):
        print(wrong, file=sys.stderr)
        return 1
    path.unlink(missing_ok=True)
    if client := shutil.which("docker"):
        lend(Path(client), path.with_name("docker"))
    Handler.judge = Judge(engine, limits)
    server = Server(str(path), Handler)
    path.chmod(0o666)  # who may ask shares the folder it lies in
    ended = threading.Event()
    threading.Thread(target=watch, args=(engine, limits, ended), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    ended.set()
    for each in (path, path.with_name("docker")):
        each.unlink(missing_ok=True)
    sweep(engine, limits)
    engine.ask("DELETE", f"/networks/{limits.network}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TROUBLE as error:
        sys.exit(f"docker-proxy: {error}")
