"""A program's side door, reached from the sandbox's inside only: /healthz, /readyz, /status, /metrics, and posts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

LARGEST = 64 * 1024  # bytes of a post


def serve(
    registry: CollectorRegistry,
    not_ready: Callable[[], str],
    port: int,
    status: Callable[[], str] = lambda: "{}",
    posts: Mapping[str, Callable[[bytes], None]] | None = None,
) -> ThreadingHTTPServer:
    """Answers on a thread of its own. `not_ready` says why work cannot be done, empty if it can;
    `status` is the JSON of /status; `posts` take what is posted to a path, or raise ValueError.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self.answer(200, b'{"status": "ok"}')
            elif self.path == "/readyz":
                reason = not_ready()
                body = {"status": "not ready", "reason": reason} if reason else {"status": "ready"}
                self.answer(503 if reason else 200, json.dumps(body).encode())
            elif self.path == "/status":
                self.answer(200, status().encode())
            elif self.path == "/metrics":
                self.answer(200, generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4)
            else:
                self.answer(404, b"{}")

        def do_POST(self) -> None:
            take, length = (posts or {}).get(self.path), int(self.headers.get("Content-Length") or 0)
            if take is None or length > LARGEST:
                self.answer(404 if take is None else 413, b"{}")
                return
            try:
                take(self.rfile.read(length))
                self.answer(204, b"")
            except ValueError as error:
                self.answer(400, json.dumps({"error": str(error)}).encode())

        def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Health checks and scrapes are no news."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
