"""What the guard asks of the Docker engine."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from console import unixhttp

SOCKET = "/var/run/docker.sock"
LABEL_PROJECT, LABEL_SERVICE = "sandbox.project", "sandbox.service"
HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")


@dataclass(frozen=True)
class Container:
    """`state` and `health` are Docker's words; `health` is empty where there is no check, or no answer of it."""

    id: str
    service: str
    state: str
    health: str


class RefusedError(Exception):
    """With the status to answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Engine:
    """The containers of one sandbox."""

    def __init__(self, project: str, path: str = SOCKET) -> None:
        self.project = project
        self.path = path

    def ask(self, method: str, target: str, body: Any = None) -> bytes:
        try:
            status, data = unixhttp.ask(self.path, method, target, body)
        except OSError as error:
            raise RefusedError(502, "the Docker engine does not answer") from error
        if status >= 400:
            raise RefusedError(502, f"the Docker engine says: {_message(data)}")
        return data

    def containers(self) -> list[Container]:
        """Those of this sandbox alone."""
        filters = json.dumps({"label": [f"{LABEL_PROJECT}={self.project}"]})
        found = json.loads(self.ask("GET", f"/containers/json?all=1&filters={quote(filters)}"))
        return [
            Container(
                item["Id"],
                item["Labels"].get(LABEL_SERVICE, ""),
                item["State"],
                match[1] if (match := HEALTH.search(item["Status"])) else "",
            )
            for item in found
            if item["Labels"].get(LABEL_PROJECT) == self.project
        ]

    def memory(self, id: str) -> int:
        """Bytes in use, page cache that could be dropped not counted; 0 where the engine cannot tell."""
        try:
            told = json.loads(self.ask("GET", f"/containers/{id}/stats?stream=false&one-shot=true"))["memory_stats"]
            details = told.get("stats", {})
            return int(told["usage"]) - int(details.get("inactive_file", details.get("total_inactive_file", 0)))
        except (RefusedError, ValueError, KeyError):
            return 0

    def restart(self, id: str) -> None:
        self.ask("POST", f"/containers/{id}/restart")

    def run(self, id: str, command: Sequence[str]) -> str:
        """What a command prints in a container. Raises RefusedError, in its own words, if it fails."""
        # With a terminal there is one stream, which needs no taking apart.
        wanted = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, "Tty": True}
        made = json.loads(self.ask("POST", f"/containers/{id}/exec", wanted))["Id"]
        text = self.ask("POST", f"/exec/{made}/start", {"Tty": True}).decode(errors="replace")
        if json.loads(self.ask("GET", f"/exec/{made}/json"))["ExitCode"]:
            raise RefusedError(422, text.strip() or f"{command[0]} failed")
        return text


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace")
