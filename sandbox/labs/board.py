"""The progress board on the trainer's laptop. It knows what attendees chose to tell it (see `sharing`), and forgets it
when it ends. It is plain http: for a room that is trusted.
"""

from __future__ import annotations

import html
import http.server
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.errors import SandboxError

PATH = "/progress"
LARGEST = 8192  # bytes of one report
MOST = 1000  # attendees
ID = re.compile(r"[0-9a-f]{16}")
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<title>Progress · sandbox</title>
<style>
  body {{ font: 1.1rem system-ui, sans-serif; margin: 2rem; color-scheme: light dark }}
  table {{ border-collapse: collapse; width: 100% }}
  td, th {{ text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #8884 }}
  progress {{ width: 12rem }}
</style>
<h1>Progress</h1>
<p>{count}. Join with <code>{line}</code></p>
<table>
<tr><th>Who</th><th>Lesson</th><th>Done</th><th>At</th><th>Hints</th><th>Heard of</th></tr>
{rows}
</table>
</html>
"""


@dataclass(frozen=True)
class Standing:
    """Where somebody is: steps done of how many, hints taken; `current` is empty at the end."""

    lesson: str
    done: int = 0
    steps: int = 0
    current: str = ""
    hints: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what no attendee's sandbox would send."""
        numbers = (self.done, self.steps, self.hints)
        if not all(type(number) is int and 0 <= number <= 1000 for number in numbers) or self.done > self.steps:
            raise ValueError("numbers are from 0 to 1000")
        if not all(_is_short(text) for text in (self.lesson, self.current)) or not self.lesson:
            raise ValueError("names have up to 80 characters")


@dataclass(frozen=True)
class Report:
    """One attendee's standing. `id` tells people of the same name apart."""

    id: str
    name: str
    standing: Standing

    def __post_init__(self) -> None:
        """Raises ValueError for what no attendee's sandbox would send."""
        if not _is_short(self.name) or not self.name.strip():
            raise ValueError("a name has 1 to 80 characters")
        if not ID.fullmatch(str(self.id)):
            raise ValueError("a report has an id")


def _is_short(text: object) -> bool:
    return isinstance(text, str) and len(text) <= 80 and text.isprintable()


class Board:
    """Collects reports. It listens at `address` alone, until `close`."""

    def __init__(self, address: str, port: int) -> None:
        self._reports: dict[str, tuple[float, Report]] = {}
        self._guard = threading.Lock()
        try:
            self._server = _Server((address, port), self)
        except OSError as error:
            hint = "is it this laptop's address, and is the port free? --port chooses another"
            raise SandboxError(f"cannot listen at {address}:{port}: {error.strerror}", hint) from error
        self.url = f"http://{address}:{self._server.server_address[1]}"

    @property
    def line(self) -> str:
        """What attendees type."""
        return f"sandbox lab share {self.url} --name YOURNAME"

    def serve(self) -> None:
        self._server.serve_forever()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, report: Report) -> None:
        """Raises ValueError if there are too many."""
        with self._guard:
            if report.id not in self._reports and len(self._reports) >= MOST:
                raise ValueError("the board is full")
            self._reports[report.id] = (time.time(), report)

    def rows(self) -> list[dict[str, Any]]:
        """Those who are furthest first; `heard` is the seconds since the last word."""
        now = time.time()
        with self._guard:
            reports = list(self._reports.values())
        reports.sort(key=lambda each: (each[1].standing.lesson, -each[1].standing.done, each[1].name))
        return [{"name": r.name, **asdict(r.standing), "heard": round(now - heard)} for heard, r in reports]

    def page(self) -> str:
        rows = self.rows()
        count = "Nobody has joined yet" if not rows else f"{len(rows)} joined"
        return PAGE.format(count=count, line=html.escape(self.line), rows="\n".join(map(_row, rows)))


def _row(row: Mapping[str, Any]) -> str:
    bar = f'<progress value="{row["done"]}" max="{max(row["steps"], 1)}"></progress> {row["done"]}/{row["steps"]}'
    heard = f"{row['heard']} s ago" if row["heard"] < 120 else f"{row['heard'] // 60} min ago"
    texts = [
        html.escape(text)
        for text in (row["name"], row["lesson"], row["current"] or ("all done" if row["steps"] else ""))
    ]
    cells = (texts[0], texts[1], bar, texts[2], str(row["hints"]), heard)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], board: Board) -> None:
        self.board = board
        super().__init__(address, _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, "text/html; charset=utf-8", self.server.board.page())
        elif self.path == PATH:
            self._answer(200, "application/json", json.dumps(self.server.board.rows()))
        else:
            self._answer(404, "text/plain", "not here\n")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != PATH or not length.isdecimal() or int(length) > LARGEST:
            self._answer(400, "text/plain", "a report is expected\n")
            return
        try:
            data = json.loads(self.rfile.read(int(length)))
            self.server.board.take(Report(**{**data, "standing": Standing(**data["standing"])}))
        except (ValueError, TypeError, KeyError) as error:
            self._answer(400, "text/plain", f"{error}\n")
        else:
            self._answer(200, "application/json", "{}")

    def _answer(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """The page is the log."""
