"""A registry that speaks plain http, made usable without touching the engine's settings.

Engines insist on TLS, but for registries on loopback. So we listen on loopback and pass the bytes on: no file to
edit as root, no engine to restart, no certificate to hand round. It works where the engine shares this computer's
loopback, which an engine in a virtual machine does not.
"""

from __future__ import annotations

import re
import selectors
import socket
import socketserver
import threading

PLAIN = "http://"
CHUNK = 256 * 1024
PATIENCE = 10.0  # seconds to reach the registry
_relays: dict[str, str] = {}  # registry -> its relay on loopback


def local(registry: str) -> str:
    """`http://10.0.0.5:5000/team` -> `localhost:41234/team`, relayed as long as this process lives.

    Any other prefix is left as it is.
    """
    if not registry.startswith(PLAIN):
        return registry
    target, slash, prefix = registry.removeprefix(PLAIN).partition("/")
    if target not in _relays:
        host, _, port = target.partition(":")
        server = _Relay((host, int(port or 80)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _relays[target] = f"localhost:{server.server_address[1]}"
    return f"{_relays[target]}{slash}{prefix}"


def shown(text: str) -> str:
    """A text of the engine's with the registries in it, where it knows only our relays."""
    for target, address in _relays.items():
        text = re.sub(rf"\b{address}\b", target, text)
    return text


class _Relay(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        super().__init__(("127.0.0.1", 0), _Connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is closed; the engine tries again and says so if it gives up."""


class _Connection(socketserver.BaseRequestHandler):
    server: _Relay

    def handle(self) -> None:
        with (
            socket.create_connection(self.server.target, PATIENCE) as registry,
            selectors.DefaultSelector() as ready,
        ):
            registry.settimeout(None)
            ready.register(self.request, selectors.EVENT_READ, registry)
            ready.register(registry, selectors.EVENT_READ, self.request)
            while True:
                for key, _ in ready.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    if not (data := source.recv(CHUNK)):
                        return
                    key.data.sendall(data)
