"""Answers Docker's client on a socket of its own: finds the rule for a request, makes it anew, and relays the answer.

Each connection carries one request. So nothing can be hidden behind a request that was judged, and an answer may
last as long as it likes.
"""

from __future__ import annotations

import http.client
import json
import re
import select
import socket
import socketserver
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from docker_proxy import rules
from docker_proxy.rules import LABEL, Limits, Refused

API = "1.45"  # of Docker Engine 26, the first that mounts a part of a volume
JSON_BYTES = 1024**2
CHUNK = 65536
SECONDS = 60
VERSION = re.compile(r"/v\d+\.\d+(?=/)")
ID = r"(?P<id>[A-Za-z0-9][\w.-]*)"
IMAGE = r"(?P<image>[\w.:/@-]+)"


class Engine:
    """The real socket. Methods raise OSError or http.client.HTTPException when it cannot be asked."""

    def __init__(self, path: str) -> None:
        self.path = path

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded answer of a short request."""
        connection = http.client.HTTPConnection("docker", timeout=SECONDS)
        connection.sock = self.connect()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/v{API}{path}", text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content.strip() else None
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        found = socket.socket(socket.AF_UNIX)
        found.settimeout(SECONDS)
        found.connect(self.path)
        return found


class Judge:
    """The rules that need to know what there is: an agent is only what carries our label."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine, self.limits = engine, limits

    def own_container(self, id: str) -> str:
        """Its whole id, which means the same a moment later. Where there is none, the engine is to say so."""
        status, found = self.engine.ask("GET", f"/containers/{id}/json")
        if status == 404:
            return id
        if status != 200 or (found["Config"]["Labels"] or {}).get(LABEL) != self.limits.project:
            raise Refused(f"the container {id}: it is no agent of this CI service")
        return str(found["Id"])

    def own_execution(self, id: str) -> None:
        status, found = self.engine.ask("GET", f"/exec/{id}/json")
        if status == 200:
            self.own_container(found["ContainerID"])
        elif status != 404:
            raise Refused(f"the program {id}")

    def own_image(self, name: str) -> None:
        """An image that is not there yet is nobody's."""
        if not rules.image_name(name):
            raise Refused(f"the image {name}")
        status, found = self.engine.ask("GET", f"/images/{quote(name)}/json")
        if status != 404 and (status != 200 or (found["Config"].get("Labels") or {}).get(LABEL) != self.limits.project):
            raise Refused(f"the image {name}: no build of this CI service made it")


class Handler(BaseHTTPRequestHandler):
    """One request. `judge` is set by whoever serves."""

    judge: Judge
    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def handle(self) -> None:
        self.close_connection = True
        self.handle_one_request()

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_POST = do_DELETE = do_HEAD

    def _answer(self) -> None:
        self.close_connection = True
        parts = urlsplit(self.path)
        path = VERSION.sub("", parts.path, count=1)
        try:
            for method, pattern, rule in ROUTES:
                if method == self.command and (match := re.fullmatch(pattern, path)):
                    query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
                    rule(self, query, **match.groupdict())
                    return
            raise Refused(f"{self.command} {path}")
        except Refused as refused:
            self._say(403, f"docker-proxy does not allow {refused}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._say(400, f"docker-proxy does not understand the request: {error}")
        except (OSError, http.client.HTTPException) as error:
            self._say(502, f"docker-proxy cannot ask the engine: {error}")

    # One method for each kind of request; the path is made of what the pattern matched, never taken over.

    def plain(self, query: dict[str, list[str]], **ids: str) -> None:
        self._relay(VERSION.sub("", urlsplit(self.path).path, count=1), {})

    def listed(self, query: dict[str, list[str]]) -> None:
        """Whatever is asked, only agents are told."""
        filters = json.dumps({"label": [f"{LABEL}={self.judge.limits.project}"]})
        self._relay("/containers/json", {"all": query.get("all", ["0"]), "filters": [filters]})

    def of_container(self, query: dict[str, list[str]], id: str, what: str = "") -> None:
        self._relay(f"/containers/{self.judge.own_container(id)}{what}", query)

    def create(self, query: dict[str, list[str]]) -> None:
        if query.keys() - {"platform", "name"} or query.get("name", [""]) != [""]:
            raise Refused("a name (--name) for a container")
        body = rules.container(self._body(), self.judge.limits)
        self._relay("/containers/create", {"platform": query.get("platform", [""])}, body)

    def execute(self, query: dict[str, list[str]], id: str) -> None:
        body = rules.execution(self._body(), self.judge.limits)
        self._relay(f"/containers/{self.judge.own_container(id)}/exec", {}, body)

    def execution(self, query: dict[str, list[str]], id: str) -> None:
        self.judge.own_execution(id)
        self._relay(f"/exec/{id}/json", {})

    def begin(self, query: dict[str, list[str]], id: str) -> None:
        """The stream of a program: from here on the connection belongs to it."""
        self.judge.own_execution(id)
        asked = self._body()
        body = {"Detach": bool(asked.get("Detach")), "Tty": bool(asked.get("Tty"))}
        self._relay(f"/exec/{id}/start", {}, body, upgrade=True)

    def pull(self, query: dict[str, list[str]]) -> None:
        login = self.headers.get("X-Registry-Auth")
        self._relay("/images/create", rules.pull(query), headers={"X-Registry-Auth": login} if login else {})

    def build(self, query: dict[str, list[str]]) -> None:
        made = rules.build(query, self.judge.limits)
        for name in made["t"]:
            self.judge.own_image(name)
        logins = self.headers.get("X-Registry-Config")
        headers = {"Content-Type": "application/x-tar", **({"X-Registry-Config": logins} if logins else {})}
        self._relay("/build", made, self._pieces(), headers=headers)

    def remove_image(self, query: dict[str, list[str]], image: str) -> None:
        self.judge.own_image(image)
        self._relay(f"/images/{quote(image)}", query)

    # What carries it out

    def _relay(
        self,
        path: str,
        query: dict[str, list[str]],
        body: dict[str, Any] | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        upgrade: bool = False,
    ) -> None:
        engine = self.judge.engine.connect()
        with engine:
            text = urlencode([(key, value) for key, values in query.items() for value in values if value])
            head = {"Host": "docker", "Connection": "Upgrade, close" if upgrade else "close", **(headers or {})}
            if upgrade:
                head["Upgrade"] = "tcp"
            content = json.dumps(body).encode() if isinstance(body, dict) else b""
            if isinstance(body, dict):
                head["Content-Type"] = "application/json"
            if body is None or isinstance(body, dict):
                head["Content-Length"] = str(len(content))
            else:
                head["Transfer-Encoding"] = "chunked"
            lines = [f"{self.command} /v{API}{path}{'?' if text else ''}{text} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in head.items()]
            engine.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
            if body is not None and not isinstance(body, dict):
                for piece in body:
                    engine.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                engine.sendall(b"0\r\n\r\n")
            engine.settimeout(None)
            self.connection.settimeout(None)
            self._stream(engine, upgrade)

    def _stream(self, engine: socket.socket, upgrade: bool) -> None:
        """The answer, to its end. Only a stream that the engine has opened goes both ways."""
        begun = engine.recv(CHUNK)
        self.connection.sendall(begun)
        both = upgrade and begun.startswith(b"HTTP/1.1 101 ")
        if both:
            self.connection.settimeout(0)
            early = self.rfile.peek(1)  # what came together with the request
            self.connection.settimeout(None)
            engine.sendall(early)
        while True:
            ready, _, _ = select.select([engine, self.connection], [], [])
            if engine in ready:
                if not (piece := engine.recv(CHUNK)):
                    return
                self.connection.sendall(piece)
            elif both:
                if piece := self.connection.recv(CHUNK):
                    engine.sendall(piece)
                else:
                    engine.shutdown(socket.SHUT_WR)
                    both = False
                    self._drain(engine)
                    return
            elif not self.connection.recv(CHUNK):
                return  # the client is gone: so is who wanted the answer

    def _drain(self, engine: socket.socket) -> None:
        while piece := engine.recv(CHUNK):
            self.connection.sendall(piece)

    def _body(self) -> dict[str, Any]:
        content = b"".join(self._pieces(JSON_BYTES))
        found = json.loads(content or b"{}")
        if not isinstance(found, dict):
            raise ValueError("the body is no JSON object")
        return found

    def _pieces(self, most: int | None = None) -> Iterator[bytes]:
        """The body as it comes, of either framing."""
        kind, length = self.headers.get("Transfer-Encoding", ""), self.headers.get("Content-Length")
        if kind and (kind.lower() != "chunked" or length is not None):
            raise ValueError("the body's framing is not clear")
        total = 0
        for size in self._chunks() if kind else iter([int(length or 0)]):
            if size < 0 or (most is not None and (total := total + size) > most):
                raise ValueError("the body is too long")
            while size:
                piece = self.rfile.read1(min(size, CHUNK))
                if not piece:
                    raise ValueError("the body ends early")
                size -= len(piece)
                yield piece

    def _chunks(self) -> Iterator[int]:
        while size := int(self.rfile.readline(CHUNK).split(b";")[0], 16):
            yield size
            if self.rfile.readline(CHUNK).strip():
                raise ValueError("a chunk of the body is longer than it says")
        while self.rfile.readline(CHUNK).strip():
            pass

    def _say(self, status: int, message: str) -> None:
        print(json.dumps({"message": message, "service.name": "docker-proxy"}), file=sys.stderr, flush=True)
        body = json.dumps({"message": message}).encode()
        try:
            self.send_response(status)
            for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # nobody is there to hear it

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *arguments: object) -> None:
        pass


Rule = Callable[..., None]
ROUTES: tuple[tuple[str, str, Rule], ...] = (
    ("HEAD", "/_ping", Handler.plain),
    ("GET", "/(_ping|version)", Handler.plain),
    ("GET", "/containers/json", Handler.listed),
    ("POST", "/containers/create", Handler.create),
    ("GET", f"/containers/{ID}(?P<what>/json|/logs)", Handler.of_container),
    ("POST", f"/containers/{ID}(?P<what>/start|/stop|/kill|/wait)", Handler.of_container),
    ("POST", f"/containers/{ID}/exec", Handler.execute),
    ("DELETE", f"/containers/{ID}", Handler.of_container),
    ("GET", f"/exec/{ID}/json", Handler.execution),
    ("POST", f"/exec/{ID}/start", Handler.begin),
    ("POST", "/images/create", Handler.pull),
    ("POST", "/build", Handler.build),
    ("DELETE", f"/images/{IMAGE}", Handler.remove_image),
)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
