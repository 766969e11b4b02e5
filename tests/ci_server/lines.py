"""A small executor for tests of the server: a Jenkinsfile of plain lines `sh '...'`, `echo '...'` and a few more.

They are really run, one stage per `stage 'name'` line; what real pipelines do is tested elsewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.ci.model import Aborted, Declared, Input, Node, Parameter, Place, Result, TestCase
from sandbox.ci.server import streams
from sandbox.ci.server.serve import log_as_json, serve
from sandbox.ci.server.server import Settings

LINE = re.compile(r"\s*(\w+)\s*(.*)")


class LinesExecutor:
    def begin(self, text: str, place: Place) -> LinesExecution:
        return LinesExecution(text, place)

    def lint(self, text: str) -> Sequence[Mapping[str, Any]]:
        return [
            {"line": number, "column": 1, "message": f"Expected a step, found {line!r}"}
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not hasattr(LinesExecution, "do_" + line.split()[0])
        ]

    def close(self) -> None:
        pass


class LinesExecution:
    def __init__(self, text: str, place: Place) -> None:
        self.text, self.place = text, place
        self.result = Result.SUCCESS
        self.reason = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.stage: Node | None = None
        self.count = 0
        self.workspace = place.workspaces / place.job
        self.lock = threading.Lock()

    def run(self) -> Result:
        try:
            with self.place.executor("", self.stopped):
                self.workspace.mkdir(parents=True, exist_ok=True)
                for line in self.text.splitlines():
                    if match := LINE.fullmatch(line):
                        self.step(match[1], re.sub(r"^(['\"])(.*)\1$", r"\2", match[2].strip()))
        except Aborted as error:
            self.place.write(f"{error.reason}\n".encode())
            self.result = Result.ABORTED
        self.end_stage()
        return self.result

    def stop(self, reason: str, force: bool) -> None:
        with self.lock:
            self.reason = reason
            if self.process:
                self.process.kill()

    def stopped(self) -> bool:
        return bool(self.reason)

    def step(self, name: str, argument: str) -> None:
        if self.reason:
            raise Aborted(self.reason)
        if self.result == Result.FAILURE:
            return
        start = self.place.write(f"[Pipeline] {name}\n".encode())
        self.count += 1
        parent = self.stage.id if self.stage else ""
        node = Node(str(self.count), parent, "step", name, started=_now(), detail=argument, log=(start, 0))
        if name != "stage":
            self.place.node(node)
        getattr(self, f"do_{name}")(argument)
        node.status, node.ended = self.result.name, _now()
        node.log = (start, self.place.write(b""))

    def do_stage(self, name: str) -> None:
        self.end_stage()
        self.stage = Node(f"s{self.count}", "", "stage", name, started=_now())
        self.place.node(self.stage)

    def end_stage(self) -> None:
        if self.stage:
            self.stage.status, self.stage.ended = self.result.name, _now()
            self.place.node(self.stage)

    def do_sh(self, command: str) -> None:
        environ = {**os.environ, **self.place.environment, "BUILD_NUMBER": str(self.place.number)}
        environ.update({name: str(value) for name, value in self.place.parameters.items()})
        with self.lock:
            self.process = subprocess.Popen(
                ["sh", "-c", command],
                cwd=self.workspace,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        assert self.process.stdout
        with self.process.stdout as output:
            while piece := output.read1(65536):
                self.place.write(piece)
        code = self.process.wait()
        if self.reason:
            raise Aborted(self.reason)
        if code:
            self.result = Result.FAILURE
            self.place.write(f"ERROR: script returned exit code {code}\n".encode())

    def do_echo(self, text: str) -> None:
        self.place.write(text.encode() + b"\n")

    def do_archive(self, pattern: str) -> None:
        for path in sorted(self.workspace.glob(pattern)):
            target = self.place.folder / "artifacts" / path.relative_to(self.workspace)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            self.place.artifact(str(path.relative_to(self.workspace)))

    def do_tests(self, spec: str) -> None:
        cases = [
            TestCase("suite", "pkg.Case", name, status, 0.01, "no good" if status == "FAILED" else "")
            for name, status in (pair.split("=") for pair in spec.split())
        ]
        self.place.tests(cases)
        if any(case.status == "FAILED" for case in cases):
            self.unstable()

    def do_unstable(self, argument: str) -> None:
        self.unstable()

    def unstable(self) -> None:
        self.result = max(self.result, Result.UNSTABLE)
        self.place.described("result", self.result)

    def do_parameter(self, spec: str) -> None:
        name, _, default = spec.partition("=")
        self.place.declared(Declared((Parameter(name, "string", default),)))

    def do_exclusive(self, argument: str) -> None:
        self.place.declared(Declared(concurrent=False))

    def do_keep(self, number: str) -> None:
        self.place.declared(Declared(keep_builds=int(number)))

    def do_input(self, message: str) -> None:
        question = Input("Go", message, parameters=(Parameter("WHERE", "choice", "here", "", ("here", "there")),))
        user, values = self.place.ask(question, self.stopped)
        self.place.write(f"Approved by {user} with {values}\n".encode())

    def do_build(self, job: str) -> None:
        outcome = self.place.build(job, {}, True, self.stopped)
        self.place.write(f"{outcome.job} #{outcome.number}: {outcome.result}\n".encode())

    def do_secret(self, id: str) -> None:
        credential = self.place.credential(id)
        self.place.write(f"{credential.kind if credential else 'none'}\n".encode())

    def do_node(self, label: str) -> None:
        try:
            with self.place.executor(label, self.stopped) as name:
                self.place.write(f"on {name}\n".encode())
        except LookupError as error:
            self.place.write(f"ERROR: {error}\n".encode())
            self.result = Result.FAILURE

    def do_lock(self, resource: str) -> None:
        with self.place.lock(resource, self.stopped):
            self.place.write(f"got {resource}\n".encode())
            time.sleep(0.3)


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    log_as_json()
    streams.BREATH = 0.5  # who has left is missed sooner than people's pages need
    serve(Settings.read(os.environ), LinesExecutor())
    sys.exit(0)
