"""Where alerts arrive: a webhook for Alertmanager, a page and an API for people. `inbox.py list` prints the alerts.

GET /api/alerts: {"alerts": [{name, service, severity, state, since, until, summary, description}]}, newest first.
"""

from __future__ import annotations

import html
import json
import os
import sys
import threading
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

FILE = Path(os.environ.get("INBOX_FILE", "/var/lib/inbox/alerts.json"))
PORT = 8025
KEPT = 500
LARGEST = 1024 * 1024  # bytes of one notification
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Alerts</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }}
  table {{ border-collapse: collapse; width: 100% }}
  td, th {{ text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884 }}
  .firing td:first-child {{ color: #d33; font-weight: 600 }}
</style>
<h1>Alerts</h1>
<table><tr><th>State<th>Since<th>Alert<th>Severity<th>What it says</tr>
{rows}
</table>
{nothing}
</html>
"""


class Inbox:
    """The latest alerts, the newest last. They are also in a file, which a restart finds again."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._alerts: OrderedDict[str, dict[str, Any]] = OrderedDict()
        if file.exists():
            self._alerts.update(json.loads(file.read_text(encoding="utf-8")))

    def take(self, notification: dict[str, Any]) -> None:
        """One webhook call of Alertmanager. Raises KeyError, TypeError or AttributeError for anything else."""
        told = [(f"{a['fingerprint']} {a['startsAt']}", alert(a)) for a in notification["alerts"]]
        with self._lock:
            for key, about in told:
                self._alerts[key] = about
                self._alerts.move_to_end(key)
            while len(self._alerts) > KEPT:
                self._alerts.popitem(last=False)
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(self._alerts), encoding="utf-8")
            new.replace(self._file)
        for _, about in told:
            line = {"@timestamp": about["since"], "log.level": "info", "service.name": "inbox"}
            print(json.dumps({**line, "message": f"{about['name']} {about['state']}: {about['summary']}"}), flush=True)

    def alerts(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(reversed(self._alerts.values()))


def alert(data: dict[str, Any]) -> dict[str, Any]:
    labels, annotations = data["labels"], data.get("annotations", {})
    return {
        "name": labels["alertname"],
        "service": labels.get("service") or labels.get("job", ""),
        "severity": labels.get("severity", ""),
        "state": data["status"],
        "since": data["startsAt"],
        "until": data["endsAt"] if data["status"] == "resolved" else "",
        "summary": annotations.get("summary", ""),
        "description": annotations.get("description", ""),
    }


def page(alerts: list[dict[str, Any]]) -> bytes:
    def row(about: dict[str, Any]) -> str:
        safe = {key: html.escape(str(value)) for key, value in about.items()}
        cells = (safe["state"], safe["since"][:19], safe["name"], safe["severity"], safe["summary"])
        return f'<tr class="{safe["state"]}">' + "".join(f"<td>{cell}" for cell in cells)

    nothing = "" if alerts else "<p>Nothing yet: all is well, or was since the inbox began.</p>"
    return PAGE.format(rows="\n".join(map(row, alerts)), nothing=nothing).encode()


def serve(inbox: Inbox, port: int) -> ThreadingHTTPServer:
    """The server, bound but not yet running."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self.answer(200, page(inbox.alerts()), "text/html; charset=utf-8")
            elif self.path == "/api/alerts":
                self.answer(200, json.dumps({"alerts": inbox.alerts()}).encode())
            elif self.path == "/healthz":
                self.answer(200, b'{"status": "ok"}')
            else:
                self.answer(404, b'{"error": "there is /, /api/alerts and /healthz"}')

        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("Content-Length", "0"))
                if length > LARGEST:
                    raise ValueError("too large")
                inbox.take(json.loads(self.rfile.read(length)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.answer(400, json.dumps({"error": f"not a notification of Alertmanager: {error}"}).encode())
                return
            self.answer(200, b"{}")

        def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The alerts are the log."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    return server


def main() -> None:
    if sys.argv[1:] == ["list"]:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{PORT}/api/alerts", timeout=5) as answer:
            print(answer.read().decode())
    else:
        serve(Inbox(FILE), PORT).serve_forever()


if __name__ == "__main__":
    main()
