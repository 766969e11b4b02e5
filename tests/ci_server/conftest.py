"""A real server as a process of its own, on a free port, with a small executor (see lines.py)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from xml.sax.saxutils import escape

import pytest
import requests

ROOT = Path(__file__).parent.parent.parent
T = TypeVar("T")
PASSWORD = "correct horse"
AUTH = ("admin", PASSWORD)


class Running:
    """A server that can be killed and started again on the same folder."""

    def __init__(self, home: Path, program: str = "tests.ci_server.lines", **environ: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.program = program
        self.home, self.url = home, f"http://127.0.0.1:{self.port}/"
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CI_HOME": str(home),
            "CI_PORT": str(self.port),
            "CI_URL": self.url,
            "CI_PASSWORD": PASSWORD,
            **environ,
        }
        self.log = home.with_name(home.name + ".log")
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.program],
                env=self.environ,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.answers, 60)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(self.url + "healthz", timeout=5).ok
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """As kill -9 does; its steps with it, as a container's end does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.kill()

    # What tests ask of it

    def get(self, path: str, **more: object) -> requests.Response:
        return requests.get(self.url + path, timeout=30, auth=AUTH, **more)  # type: ignore[arg-type]

    def post(self, path: str, **more: object) -> requests.Response:
        crumb = self.get("crumbIssuer/api/json").json()
        headers = {crumb["crumbRequestField"]: crumb["crumb"], **more.pop("headers", {})}  # type: ignore[dict-item]
        return requests.post(self.url + path, timeout=30, auth=AUTH, headers=headers, **more)  # type: ignore[arg-type]

    def create(self, name: str, script: str, more: str = "") -> None:
        answer = self.post(
            "createItem",
            params={"name": name},
            data=job_xml(script, more).encode(),
            headers={"Content-Type": "text/xml"},
            allow_redirects=False,
        )
        assert answer.status_code == 200, answer.text

    def submit(self, name: str, **parameters: str) -> int:
        """The queue item's id."""
        kind = "buildWithParameters" if parameters else "build"
        answer = self.post(f"job/{name}/{kind}", data=parameters)
        assert answer.status_code == 201, answer.text
        return int(answer.headers["Location"].rstrip("/").rpartition("/")[2])

    def build(self, name: str, **parameters: str) -> dict[str, object]:
        """Builds it, and waits for its end."""
        return self.finished(self.submit(name, **parameters))

    def finished(self, queue_id: int) -> dict[str, object]:
        def number() -> str | None:
            item = self.get(f"queue/item/{queue_id}/api/json").json()
            return item["executable"]["url"] if item.get("executable") else None

        url = until(number)
        return until(lambda: self.ended(url.removeprefix(self.url)))

    def ended(self, path: str) -> dict[str, object] | None:
        found: dict[str, object] = self.get(f"{path}api/json").json()
        return None if found["building"] else found

    def console(self, name: str, number: int | str = "lastBuild") -> str:
        return self.get(f"job/{name}/{number}/consoleText").text


def job_xml(script: str, more: str = "") -> str:
    return (
        "<?xml version='1.1' encoding='UTF-8'?>\n<flow-definition>"
        f"{more}<definition class='org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition'>"
        f"<script>{escape(script)}</script><sandbox>true</sandbox></definition></flow-definition>"
    )


def until(ask: Callable[[], T | None], seconds: float = 30) -> T:
    """What `ask` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("ci") / "home")
    yield running
    assert running.stop() == 0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Running]:
    """One that a test may kill."""
    running = Running(tmp_path / "home")
    yield running
    running.stop()
