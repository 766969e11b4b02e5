"""The only part of the console that reaches the Docker socket. It knows services of this sandbox by name, and does
five things with them; no request of Docker's own is ever passed on:

    GET    /containers                           all: service, state, health, memory
    POST   /<service>/restart                    its containers
    GET    /<service>/faults                     which are on, name -> amount
    PUT    /<service>/faults/<fault>/<amount>    on, by the command that its fragment names
    DELETE /<service>/faults[/<fault>]           off: one, or all

It has no network. Who may ask shares the volume in which its own socket lies.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import BaseServer, ThreadingUnixStreamServer
from typing import TypeVar

from console import unixhttp
from console.docker import Container, Engine, RefusedError
from console.folder import Folder, Service

HEALTH = ("127.0.0.1", 8080)  # within a container without a network
SELF = "console"
T = TypeVar("T")


class Guard:
    def __init__(self, folder: Folder, engine: Engine) -> None:
        self.folder = folder
        self.engine = engine
        service, fault = r"/(?P<service>[\w.-]+)", r"/(?P<fault>[\w-]+)"
        self.requests: list[tuple[str, re.Pattern[str], Callable[..., object]]] = [
            ("GET", re.compile("/healthz"), self.health),
            ("GET", re.compile("/containers"), self.containers),
            ("POST", re.compile(f"{service}/restart"), self.restart),
            ("GET", re.compile(f"{service}/faults"), self.faults),
            ("PUT", re.compile(rf"{service}/faults{fault}/(?P<amount>\d+(\.\d+)?)"), self.inject),
            ("DELETE", re.compile(f"{service}/faults(?:{fault})?"), self.clear),
        ]

    def answer(self, method: str, target: str) -> object:
        """Does what is asked. Raises RefusedError for everything that is not in the table above."""
        for known, pattern, act in self.requests:
            if method == known and (match := pattern.fullmatch(target)):
                return act(**match.groupdict())
        raise RefusedError(403, "this is not done here")

    def health(self) -> object:
        self.engine.ask("GET", "/_ping")
        return {"status": "ok"}

    def containers(self) -> object:
        found = self.engine.containers()
        memory = _each(lambda item: self.engine.memory(item.id) if item.state == "running" else 0, found)
        return [
            {"service": item.service, "state": item.state, "health": item.health, "memory": used}
            for item, used in zip(found, memory, strict=True)
        ]

    def restart(self, service: str) -> object:
        if self._service(service).name == SELF:
            raise RefusedError(409, f"the console does not restart itself: sandbox restart {SELF}")
        found = self._containers(service)
        _each(lambda item: self.engine.restart(item.id), found)
        return {"containers": len(found)}

    def faults(self, service: str) -> object:
        answers = [json.loads(text) for text in self._switch(service, "list")]
        return {fault: max(answer.get(fault, 0) for answer in answers) for answer in answers for fault in answer}

    def inject(self, service: str, fault: str, amount: str) -> object:
        self._switch(service, "inject", self._fault(service, fault), amount)
        return {fault: float(amount)}

    def clear(self, service: str, fault: str | None) -> object:
        self._switch(service, "clear", *([self._fault(service, fault)] if fault else []))
        return {}

    def _switch(self, service: str, *words: str) -> list[str]:
        """Turns the service's own switch in each of its running containers."""
        command = self._service(service).fault_command
        if not command:
            raise RefusedError(404, f"{service} has no faults")
        running = [item for item in self._containers(service) if item.state == "running"]
        if not running:
            raise RefusedError(409, f"{service} is not running")
        return _each(lambda item: self.engine.run(item.id, [*command, *words]), running)

    def _containers(self, service: str) -> list[Container]:
        found = [item for item in self.engine.containers() if item.service == service]
        if not found:
            raise RefusedError(409, f"{service} has no container")
        return found

    def _service(self, name: str) -> Service:
        for service in self.folder.services():
            if service.name == name:
                return service
        raise RefusedError(404, f"{name} is not part of this sandbox")

    def _fault(self, service: str, name: str) -> str:
        if name not in (fault.name for fault in self._service(service).faults):
            raise RefusedError(404, f"{service} has no fault {name}")
        return name


def _each(act: Callable[[Container], T], containers: Sequence[Container]) -> list[T]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(act, containers))


def handler(guard: Guard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            try:
                status, found = 200, guard.answer(self.command, self.path)
            except RefusedError as error:
                status, found = error.status, {"error": str(error)}
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if self.command != "GET" or status != 200:
                print(self.command, self.path, status, flush=True)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            """Requests are told above, and a Unix socket's clients have no address to tell."""

    return Handler


def listen(guard: Guard, path: str) -> BaseServer:
    """A server at the socket `path`, which everybody who sees it may use."""
    Path(path).unlink(missing_ok=True)
    server = ThreadingUnixStreamServer(path, handler(guard))
    os.chmod(path, 0o666)
    return server


def main(environ: Mapping[str, str] = os.environ) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    guard = Guard(Folder(Path("/sandbox"), environ), Engine(environ["SANDBOX_PROJECT"]))
    threading.Thread(target=listen(guard, unixhttp.ACTIONS).serve_forever, daemon=True).start()
    HTTPServer(HEALTH, handler(guard)).serve_forever()


if __name__ == "__main__":
    main()
