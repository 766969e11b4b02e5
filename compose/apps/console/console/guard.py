"""The only part of the console that reaches the Docker socket. It knows services of this sandbox by name, and does
four things with them; no request of Docker's own is ever passed on:

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
from typing import Any, TypeVar
from urllib.parse import quote

from console import unixhttp
from console.folder import Folder, Service

ENGINE = "/var/run/docker.sock"
HEALTH = ("127.0.0.1", 8080)  # within a container without a network
SELF = "console"
LABEL_PROJECT, LABEL_SERVICE = "sandbox.project", "sandbox.service"
T = TypeVar("T")


class RefusedError(Exception):
    """With the status to answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Engine:
    """The containers of one sandbox."""

    def __init__(self, project: str, path: str = ENGINE) -> None:
        self.project = project
        self.path = path

    def ask(self, method: str, target: str, body: Any = None) -> bytes:
        try:
            status, data = unixhttp.ask(self.path, method, target, body)
        except OSError as error:
            raise RefusedError(502, "the Docker engine does not answer") from error
        if status >= 400:
            raise RefusedError(502, f"the Docker engine says: {_message(data)}")
        return data

    def containers(self, service: str, running: bool = False) -> list[str]:
        """The ids of a service's containers. Raises RefusedError if it has none."""
        labels = [f"{LABEL_PROJECT}={self.project}", f"{LABEL_SERVICE}={service}"]
        filters = {"label": labels} | ({"status": ["running"]} if running else {})
        found = json.loads(self.ask("GET", f"/containers/json?all=1&filters={quote(json.dumps(filters))}"))
        if not found:
            raise RefusedError(409, f"{service} is not running")
        return [item["Id"] for item in found]

    def restart(self, id: str) -> None:
        self.ask("POST", f"/containers/{id}/restart")

    def run(self, id: str, command: Sequence[str]) -> str:
        """What a command prints in a container. Raises RefusedError, in its own words, if it fails."""
        # With a terminal there is one stream, which needs no taking apart.
        wanted = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, "Tty": True}
        made = json.loads(self.ask("POST", f"/containers/{id}/exec", wanted))["Id"]
        text = self.ask("POST", f"/exec/{made}/start", {"Tty": True}).decode(errors="replace")
        if json.loads(self.ask("GET", f"/exec/{made}/json"))["ExitCode"]:
            raise RefusedError(422, text.strip() or f"{command[0]} failed")
        return text


class Guard:
    def __init__(self, folder: Folder, engine: Engine) -> None:
        self.folder = folder
        self.engine = engine
        service, fault = r"/(?P<service>[\w.-]+)", r"/(?P<fault>[\w-]+)"
        self.requests: list[tuple[str, re.Pattern[str], Callable[..., object]]] = [
            ("GET", re.compile("/healthz"), self.health),
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

    def restart(self, service: str) -> object:
        if self._service(service).name == SELF:
            raise RefusedError(409, f"the console does not restart itself: sandbox restart {SELF}")
        ids = self.engine.containers(service)
        _each(self.engine.restart, ids)
        return {"containers": len(ids)}

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
        return _each(lambda id: self.engine.run(id, [*command, *words]), self.engine.containers(service, running=True))

    def _service(self, name: str) -> Service:
        for service in self.folder.services():
            if service.name == name:
                return service
        raise RefusedError(404, f"{name} is not part of this sandbox")

    def _fault(self, service: str, name: str) -> str:
        if name not in (fault.name for fault in self._service(service).faults):
            raise RefusedError(404, f"{service} has no fault {name}")
        return name


def _each(act: Callable[[str], T], ids: Sequence[str]) -> list[T]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(act, ids))


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace")


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
            if self.path != "/healthz":
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
