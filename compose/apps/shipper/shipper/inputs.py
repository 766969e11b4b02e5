"""Ways in from outside, on the ports that Logstash has in the whole stack: HTTP, JSON lines, syslog and GELF.

Each reads on only when the store has what came before: a sender waits rather than that a line is lost. UDP alone cannot
make anybody wait; there the system's buffer is all there is.
"""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from shipper.delivery import Counts, Delivery, Undelivered, say
from shipper.documents import from_outside
from shipper.formats import from_gelf, from_json, from_object, from_syslog
from shipper.store import Document

LARGEST_BODY = 4 * 1024**2
LARGEST_LINE = 256 * 1024
MOST_CONNECTIONS, MOST_BODIES = 32, 4
BATCH, BATCH_BYTES = 500, 1024**2
LINGER = 0.2  # seconds that a batch waits for more
PATIENCE = 10.0  # seconds until a sender by HTTP is told to come again
IDLE = 600.0  # seconds until a silent connection is closed
UDP_BUFFER = 4 * 1024**2
CHUNK, CHUNKS, CHUNK_SECONDS = b"\x1e\x0f", 128, 5.0  # of GELF by UDP
MOST_OPEN = 256  # messages of which chunks are missing

Make = Callable[[bytes], Document]


class Inputs:
    """Listens on every way in. `delivery` makes a sender of its own for each connection."""

    def __init__(self, project: str, delivery: Callable[[], Delivery], counts: Counts, host: str = "0.0.0.0") -> None:
        self.project, self.delivery, self.counts = project, delivery, counts
        self.host = host
        self.connections = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.bodies = threading.BoundedSemaphore(MOST_BODIES)
        self.stopping = threading.Event()
        self.by_udp: list[threading.Thread] = []

    def start(self, ports: Sequence[int]) -> None:
        """Listens for HTTP, JSON lines, syslog and GELF, in this order. Raises OSError when a port is taken."""
        for_http, for_json, for_syslog, for_gelf = ports
        for way, port, make in (("syslog", for_syslog, self.syslog_line), ("gelf", for_gelf, self.gelf_message)):
            listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER)
            listener.bind((self.host, port))
            datagrams = self._datagrams(listener)
            messages = datagrams if way == "syslog" else whole_messages(datagrams)
            self.by_udp.append(threading.Thread(target=self._take, args=(way, messages, make), daemon=True))
            self.by_udp[-1].start()
        servers: list[socketserver.BaseServer] = [
            _LineServer((self.host, for_json), self, "tcp", self.json_line),
            _LineServer((self.host, for_syslog), self, "syslog", self.syslog_line),
            _LineServer((self.host, for_gelf), self, "gelf", self.gelf_message),
            _HttpServer((self.host, for_http), self),
        ]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop(self, seconds: float) -> None:
        """Reads no more, and waits until the store has what was read, though not for ever."""
        self.stopping.set()
        end = time.monotonic() + seconds
        for thread in self.by_udp:
            thread.join(max(0.0, end - time.monotonic()))
        for _ in range(MOST_CONNECTIONS):
            self.connections.acquire(timeout=max(0.0, end - time.monotonic()))

    def take_stream(self, way: str, connection: socket.socket, make: Make) -> None:
        """Delivers the messages of a connection until it ends."""
        self._take(way, self._pieces(connection), make)

    def _pieces(self, connection: socket.socket) -> Iterator[bytes | None]:
        """Messages as they come, and None when nothing came for a moment. What is too long is cut into several."""
        connection.settimeout(LINGER)
        rest, last = b"", time.monotonic()
        while not self.stopping.is_set() and time.monotonic() - last < IDLE:
            try:
                received = connection.recv(65536)
            except TimeoutError:
                yield None
                continue
            if not received:
                break
            last = time.monotonic()
            *whole, rest = (rest + received.replace(b"\0", b"\n")).split(b"\n")
            yield from whole
            if len(rest) > LARGEST_LINE:
                yield rest
                rest = b""
        if rest:
            yield rest

    def _datagrams(self, listener: socket.socket) -> Iterator[bytes | None]:
        listener.settimeout(LINGER)
        while not self.stopping.is_set():
            try:
                yield listener.recv(65536)
            except TimeoutError:
                yield None

    def _take(self, way: str, messages: Iterator[bytes | None], make: Make) -> None:
        """Delivers what comes, for as long as it comes; None is a moment's silence."""
        with closing(self.delivery()) as delivery:
            batch, size = list[Document](), 0
            for message in messages:
                if message is not None and message.strip():
                    batch.append(make(message))
                    size += len(message)
                if batch and (message is None or len(batch) >= BATCH or size >= BATCH_BYTES):
                    delivery.deliver(way, batch)
                    batch, size = [], 0
            delivery.deliver(way, batch)

    # --- what a message is --------------------------------------------------------------------

    def json_line(self, message: bytes) -> Document:
        text = message.decode("utf-8", "replace").rstrip("\r")
        return from_outside(text, self.project, *(() if from_json(text) is not None else ("not_json",)))

    def syslog_line(self, message: bytes) -> Document:
        text = message.decode("utf-8", "replace").rstrip("\r\n\0")
        fields = from_syslog(text)
        return from_outside(text, self.project, "not_syslog") if fields is None else self._event(fields)

    def gelf_message(self, message: bytes) -> Document:
        fields = from_gelf(message)
        if fields is None:
            return from_outside(message.decode("utf-8", "replace"), self.project, "not_gelf")
        return self._event(fields)

    def http_body(self, body: bytes, kind: str) -> list[Document]:
        """Of JSON an event for each object; of anything else one for all of it, as Logstash has it."""
        text, kind = body.decode("utf-8", "replace"), kind.partition(";")[0].strip().lower()
        if kind == "application/x-ndjson":
            return [self.json_line(line) for line in body.split(b"\n") if line.strip()]
        if kind != "application/json":
            return [from_outside(text.rstrip("\r\n"), self.project)]
        try:
            data = json.loads(text, parse_constant=str)
        except (ValueError, RecursionError):
            return [from_outside(text, self.project, "not_json")]
        events = data if isinstance(data, list) else [data]
        return [self._event(from_object(one) if isinstance(one, dict) else one) for one in events]

    def _event(self, event: Any) -> Document:
        if isinstance(event, dict):
            return from_outside(event, self.project)
        return from_outside(str(event), self.project, *(() if isinstance(event, str) else ("not_json",)))


class _LineServer(socketserver.ThreadingTCPServer):
    """Messages that end with a newline or a zero."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, address: tuple[str, int], inputs: Inputs, way: str, make: Make) -> None:
        self.inputs, self.way, self.make = inputs, way, make
        super().__init__(address, _LineHandler)


class _LineHandler(socketserver.BaseRequestHandler):
    server: _LineServer

    def handle(self) -> None:
        with self.server.inputs.connections:
            try:
                self.server.inputs.take_stream(self.server.way, self.request, self.server.make)
            except OSError as error:
                say("warning", f"a sender by {self.server.way} is gone: {error}")


def whole_messages(datagrams: Iterator[bytes | None]) -> Iterator[bytes | None]:
    """GELF's messages, put together from their chunks; after five seconds what is there of one is left alone."""
    opened: dict[bytes, tuple[float, int, dict[int, bytes]]] = {}
    for datagram in datagrams:
        if datagram is None or not datagram.startswith(CHUNK) or len(datagram) < 12:
            yield datagram
            continue
        now, id, number, count = time.monotonic(), datagram[2:10], datagram[10], datagram[11]
        for old in [one for one, (since, *_) in opened.items() if now - since > CHUNK_SECONDS][:MOST_OPEN]:
            del opened[old]
        if not number < count <= CHUNKS or (id not in opened and len(opened) >= MOST_OPEN):
            continue
        parts = opened.setdefault(id, (now, count, {}))[2]
        parts[number] = datagram[12:]
        if len(parts) == opened[id][1]:
            del opened[id]
            yield b"".join(part for _, part in sorted(parts.items()))


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], inputs: Inputs) -> None:
        self.inputs = inputs
        super().__init__(address, _HttpHandler)


class _HttpHandler(http.server.BaseHTTPRequestHandler):
    protocol_version, server_version, timeout = "HTTP/1.1", "shipper", 30
    server: _HttpServer

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, self.server.inputs.counts.text())
        else:
            self._answer(200, "The shipper of the sandbox. POST lines here: JSON, or any text.\n")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Origin"):
            self._refuse(403, "pages in a browser may not send lines\n")
        elif not length.isdecimal():
            self._refuse(411, "Content-Length is missing\n")
        elif int(length) > LARGEST_BODY:
            self._refuse(413, f"a request may hold {LARGEST_BODY} bytes: send several\n")
        else:
            with self.server.inputs.bodies:
                self._take(int(length))

    do_PUT = do_POST

    def _take(self, length: int) -> None:
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        inputs = self.server.inputs
        documents = inputs.http_body(body, self.headers.get("Content-Type", "")) if body.strip() else []
        try:
            with closing(inputs.delivery()) as delivery:
                delivery.deliver("http", documents, PATIENCE)
        except Undelivered as error:
            self._answer(503, f"the store does not take lines, come again: {error}\n")
        else:
            self._answer(200, "ok")

    def _refuse(self, status: int, text: str) -> None:
        self.close_connection = True
        self._answer(status, text)

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "5")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
