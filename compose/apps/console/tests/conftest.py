"""A sandbox's folder, and a stand-in on a real port for whatever the console asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from console.app import create_app
from flask import Flask
from flask.testing import FlaskClient

PASSWORD = "s3cret"


class Upstream:
    """Answers by path, and remembers what it was asked: (method, path with query, headers, body)."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                upstream.asked.append((self.command, self.path, {k.title(): v for k, v in self.headers.items()}, body))
                status, content = upstream.answers.get(self.path.partition("?")[0], (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer

            def log_message(self, *args: object) -> None:
                """Tests are quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def says(self, path: str, data: object, status: int = 200) -> None:
        self.answers[path] = (status, data if isinstance(data, bytes) else json.dumps(data).encode())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path, upstream: Upstream) -> Path:
    """A sandbox `demo` of a shop with a login, an AWS emulator and a helper; all at the stand-in."""
    (tmp_path / "compose.yaml").write_text("name: demo\ninclude: []\n")
    services = tmp_path / "services"
    services.mkdir()
    (services / "localhost.yml").write_text(
        f"""
x-sandbox:
  title: Shop
  summary: Sells.
  try: "Buy `this`."
  group: apps
  provides: aws
  reset: {{post: "/forget?all=1"}}
  faults:
    command: [switch, me]
    kinds:
      latency: {{summary: Waits., amount: 800, unit: ms, alert: Slow}}
      errors: {{summary: Fails., amount: 0.3, unit: of 1}}
  endpoints:
    http:
      port: {upstream.port}
      path: /front
      login: {{user: boss, password: SHOP_PASSWORD}}
      ready:
        - put: /made
        - get: /ready
          expect: state == 'fine'
          waiting: its shelves
services:
  localhost:
    image: ${{SHOP_IMAGE:-shop:1}}
    restart: always
    mem_limit: ${{SHOP_MEMORY:-64m}}
    ports: ["127.0.0.1:${{SHOP_PORT:-8000}}:{upstream.port}"]
  localhost-setup:
    image: shop:1
    mem_limit: 900m
"""
    )
    (services / "console.yml").write_text("services: {console: {image: 'console:1', restart: always}}\n")
    sources = tmp_path / "contributions" / "datasources"
    sources.mkdir(parents=True)
    address = f"http://localhost:{upstream.port}"
    (sources / "some.yml").write_text(
        f"""
apiVersion: 1
datasources:
  - {{name: Prometheus, uid: prometheus, type: prometheus, url: "{address}", jsonData: {{timeInterval: 2s}}}}
  - {{name: Alertmanager, uid: alertmanager, type: alertmanager, url: "{address}"}}
  - name: Logs
    uid: logs
    type: elasticsearch
    url: {address}
    basicAuth: true
    basicAuthUser: elastic
    secureJsonData: {{basicAuthPassword: $LOGS_PASSWORD}}
    jsonData: {{index: "logs-*", timeField: "@timestamp"}}
  - {{name: Far, uid: far, type: mysql, url: "{address}"}}
"""
    )
    dashboards = tmp_path / "contributions" / "dashboards" / "shop"
    dashboards.mkdir(parents=True)
    (dashboards / "shop.json").write_text(
        '{"uid": "shop", "title": "<b>Shop</b>", "tags": ["sandbox"], "panels": []}\n'
    )
    (dashboards / "broken.json").write_text("{")
    return tmp_path


@pytest.fixture
def socket(tmp_path: Path) -> str:
    """Where the guard listens, once it does."""
    return str(tmp_path / "actions.sock")


@pytest.fixture
def app(folder: Path, socket: str) -> Flask:
    values = {"CONSOLE_PASSWORD": PASSWORD, "SHOP_PASSWORD": "b0ss", "SHOP_PORT": "8123", "LOGS_PASSWORD": "l0gs"}
    return create_app(folder, values, socket)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def signed_in(client: FlaskClient) -> FlaskClient:
    assert client.post("/login", data={"password": PASSWORD}).status_code == 303
    return client
