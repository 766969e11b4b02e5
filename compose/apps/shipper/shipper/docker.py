"""The little of the Docker API that is needed: list our containers, and follow a container's log."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

API = "/v1.43"
HEADER = 8  # bytes before each piece: the stream's number, three zeros, and the length in four bytes
TOO_LONG = 1024**2  # bytes; what is longer in one line is cut


@dataclass(frozen=True)
class Container:
    """A container of ours. `service` is the sandbox's name for what it belongs to."""

    id: str
    name: str
    image: str
    service: str
    compose_service: str
    running: bool


@dataclass(frozen=True)
class Line:
    """One line of a container. `time` is RFC 3339 with nanoseconds, as Docker noted it."""

    container: Container
    time: str
    text: str


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket. Without a time-out for reading: a container may be silent for days."""

    def __init__(self, path: str) -> None:
        super().__init__("docker")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)
        self.sock.settimeout(None)


class Docker:
    """The engine behind a socket. Methods raise OSError or http.client.HTTPException when it cannot be asked."""

    def __init__(self, path: str) -> None:
        self.path = path

    def containers(self) -> list[Container]:
        """Our containers, stopped ones too. The proxy before the socket chooses which are ours."""
        with self._get("/containers/json", {"all": "1"}) as response:
            return [_container(entry) for entry in json.load(response)]

    def lines(self, container: Container, since: str) -> Iterator[Line]:
        """The lines from a moment on (seconds since 1970), then those that come until the container stops."""
        options = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1", "since": since}
        with self._get(f"/containers/{container.id}/logs", options) as response:
            raw = response.headers.get("Content-Type", "").startswith("application/vnd.docker.raw-stream")
            pieces = _raw(response) if raw else _demultiplexed(response)
            for time, text in _joined(pieces):
                yield Line(container, time, text)

    @contextmanager
    def _get(self, path: str, options: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        with closing(UnixConnection(self.path)) as connection:
            connection.request("GET", f"{API}{path}?{urlencode(options)}")
            with connection.getresponse() as response:
                if response.status != 200:
                    raise http.client.HTTPException(f"GET {path}: HTTP {response.status}")
                yield response


def seconds(time: str) -> float:
    """RFC 3339 with nanoseconds as seconds since 1970, to the microsecond below. Raises ValueError."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return moment.timestamp() + int((fraction[:6] or "0").ljust(6, "0")) / 1e6


def _container(entry: dict[str, object]) -> Container:
    labels: dict[str, str] = entry.get("Labels") or {}  # type: ignore[assignment]
    names: list[str] = entry.get("Names") or [""]  # type: ignore[assignment]
    return Container(
        id=str(entry["Id"]),
        name=names[0].lstrip("/"),
        image=str(entry.get("Image", "")),
        service=labels.get("sandbox.service", ""),
        compose_service=labels.get("com.docker.compose.service", ""),
        running=entry.get("State") in ("running", "restarting", "paused"),
    )


def _demultiplexed(response: http.client.HTTPResponse) -> Iterator[tuple[int, bytes]]:
    """(stream, piece) of a container without a terminal; a piece is a line, or part of a long one."""
    while len(header := response.read(HEADER)) == HEADER:
        length = int.from_bytes(header[4:], "big")
        piece = response.read(length)
        if len(piece) < length:
            return
        yield header[0], piece


def _raw(response: http.client.HTTPResponse) -> Iterator[tuple[int, bytes]]:
    while line := response.readline():
        yield 1, line.replace(b"\r\n", b"\n")


def _joined(pieces: Iterator[tuple[int, bytes]]) -> Iterator[tuple[str, str]]:
    """(time, text) of whole lines. Docker gives long ones in pieces of 16 KB, each with its time before it."""
    open_lines: dict[int, tuple[str, bytearray]] = {}
    for stream, piece in pieces:
        time, _, text = piece.partition(b" ")
        begun, line = open_lines.setdefault(stream, (time.decode("ascii", "replace"), bytearray()))
        if len(line) < TOO_LONG:
            line += text
        if piece.endswith(b"\n"):
            del open_lines[stream]
            yield begun, line.decode("utf-8", "replace").rstrip("\r\n")
    for begun, line in open_lines.values():
        yield begun, line.decode("utf-8", "replace")
