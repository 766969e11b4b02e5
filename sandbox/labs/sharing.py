"""The attendee's side of the progress board: whom to tell, and under which name. Unasked, nothing is told."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from sandbox.errors import SandboxError, UsageError
from sandbox.labs.board import PATH, Report, Standing

SECONDS = 2.0  # that an attendee waits for the board


class Sharing:
    """What `lab share` chose, in a file that survives restarts."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def begin(self, url: str, name: str, standing: Standing) -> None:
        """From now on the board at `url` is told. Raises SandboxError if it cannot be."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise UsageError(f"{url} is no address of a board", "such as http://192.168.1.10:5002: the trainer has it")
        chosen = {"url": url.rstrip("/"), "name": name, "id": secrets.token_hex(8)}
        if wrong := _tell(chosen, standing):
            raise SandboxError(wrong, "is the trainer's board up, and are you in the same network?")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(chosen), encoding="utf-8")

    def end(self) -> None:
        self._file.unlink(missing_ok=True)

    @property
    def url(self) -> str:
        """The board that is told; empty if none is."""
        return self._chosen().get("url", "")

    def tell(self, standing: Standing) -> str:
        """Why the board could not be told; empty if it was, or if there is none."""
        chosen = self._chosen()
        return _tell(chosen, standing) if chosen else ""

    def _chosen(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}


def _tell(chosen: Mapping[str, str], standing: Standing) -> str:
    try:
        report = Report(chosen["id"], chosen["name"], standing)
    except (ValueError, KeyError) as error:
        raise UsageError(f"this cannot be shared: {error}", "`sandbox lab share URL --name NAME`") from error
    headers = {"Content-Type": "application/json"}
    request = Request(chosen["url"] + PATH, json.dumps(asdict(report)).encode(), headers)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=SECONDS):
            return ""
    except (OSError, ValueError) as error:
        return f"the board at {chosen['url']} was not told: {error}"
