"""Content checks against a real HTTP server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from sandbox.model import Check
from sandbox.readiness import missing


class Service(http.server.BaseHTTPRequestHandler):
    """Answers /targets with JSON, /page with text, /private to admin only, PUT to anything."""

    def do_GET(self) -> None:
        answers = {"/targets": '{"up": 1, "down": [{"job": "shop"}]}', "/page": "Welcome to the shop"}
        private = self.path == "/private" and self.headers["Authorization"] == "Basic YWRtaW46cHc="
        self.send_response(200 if self.path in answers or private else 404)
        self.end_headers()
        self.wfile.write(answers.get(self.path, "").encode())

    def do_PUT(self) -> None:
        self.send_response(403)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check("GET", "/targets", expect="up > `0`"), ""),
        (Check("GET", "/targets", expect="!down", waiting="every target", show="down[].job"), "every target: shop"),
        (Check("GET", "/targets", expect="up.wrong", waiting="it"), "it"),
        (Check("GET", "/page", expect="up", waiting="JSON"), "JSON"),
        (Check("GET", "/page", contains="Welcome"), ""),
        (Check("GET", "/page", contains="Goodbye", waiting="its page"), "its page"),
        (Check("GET", "/none"), "GET /none (HTTP 404)"),
        (Check("GET", "/private"), ""),
        (Check("PUT", "/bucket", waiting="a bucket"), "a bucket (HTTP 403)"),
    ],
)
def test_check(url: str, check: Check, expected: str) -> None:
    assert missing([check], url, ("admin", "pw")) == expected


def test_first_unmet_check_is_told_and_reading_changes_nothing(url: str) -> None:
    checks = [Check("GET", "/page"), Check("PUT", "/bucket"), Check("GET", "/none")]
    assert missing(checks, url, None) == "PUT /bucket (HTTP 403)"
    assert missing(checks, url, None, read_only=True) == "GET /none (HTTP 404)"


def test_nobody_there() -> None:
    assert missing([Check("GET", "/", waiting="its page")], "http://127.0.0.1:9", None) == "its page (no answer yet)"
