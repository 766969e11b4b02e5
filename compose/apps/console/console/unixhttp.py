"""HTTP over a Unix socket: to the Docker engine, and to the one process that may speak to it."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

ACTIONS = "/run/console/actions.sock"  # the guard's, in the volume that it and the console share


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path: str, method: str, target: str, body: Any = None, timeout: float = 60) -> tuple[int, bytes]:
    """The status and the body that the server at the socket `path` answers. Raises OSError if there is none."""
    connection = UnixConnection(path, timeout)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP from {path}: {error}") from error
    finally:
        connection.close()
