"""What people and machines read: data goes to stdout, talk to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sandbox.model import Event, Report

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


def data(value: Any) -> None:
    """JSON on stdout."""
    print(json.dumps(value, indent=2, default=list, ensure_ascii=False))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table on stdout, narrow enough to paste."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(shown)


def markdown(text: str) -> None:
    """Markdown on stdout, set for the terminal; as it is where there is none."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=min(100, Console().width)).print(Markdown(text))


def talk(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def megabytes(size: int) -> str:
    """`123 MB`, or nothing for nothing."""
    return f"{size / 1024**2:.0f} MB" if size else ""


class Progress:
    """Shows events: one JSON object a line, or plain lines, or on a terminal one live line per service."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.began = time.monotonic()
        self.lines: dict[str, str] = {}
        self.live: Any = None

    def __enter__(self) -> Progress:
        if not self.as_json and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(stderr=True), auto_refresh=False)
            self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.__exit__(None, None, None)

    def __call__(self, event: Event) -> None:
        """Takes an event, from any thread."""
        if self.as_json:
            told = {key: value for key, value in asdict(event).items() if value not in ("", None)}
            print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in told.items()}), flush=True)
            return
        seconds = event.seconds if event.seconds is not None else time.monotonic() - self.began
        text = event.text or event.state
        if event.kind in ("notice", "warning"):
            self._say(f"{'warning: ' if event.kind == 'warning' else ''}{text}")
        elif self.live:
            percent = f" {event.percent:.0f} %" if event.percent is not None else ""
            self.lines[event.subject] = f"{seconds:5.1f} s  {text}{percent}"
            self._refresh()
        else:
            line = f"{event.subject}: {text}"
            if self.lines.get(event.subject) != line and (event.percent is None or not event.text):
                self.lines[event.subject] = line
                talk(f"{seconds:6.1f} s  {line}")

    def _say(self, text: str) -> None:
        if self.live:
            self.live.console.print(text, markup=False, highlight=False)
        else:
            talk(text)

    def _refresh(self) -> None:
        from rich.text import Text

        width = max(map(len, self.lines))
        shown = "\n".join(f"{subject:<{width}}  {line}" for subject, line in self.lines.items())
        self.live.update(Text(shown, no_wrap=True, overflow="ellipsis"), refresh=True)


def report_as_data(report: Report) -> dict[str, Any]:
    """The documented shape of `status --json`."""
    services = []
    for service in report.services:
        item = asdict(service)
        item["login"] = dict(zip(("user", "password"), service.login, strict=True)) if service.login else None
        services.append(item)
    return {"project": report.project, "services": services}


def report(report: Report) -> None:
    """The table of services that `status` and `up` show."""
    rows = []
    for service in report.services:
        state = "ready" if service.ready else service.waiting or service.health or service.state
        login = " / ".join(service.login) if service.login else ""
        rows.append((service.name, state, megabytes(service.memory), service.url, login))
    table(("SERVICE", "STATE", "MEMORY", "URL", "LOGIN"), rows)
    total = sum(service.memory for service in report.services)
    count = len(report.services)
    print(f"\n{count} service{'s' * (count != 1)}, {megabytes(total) or '0 MB'}")
