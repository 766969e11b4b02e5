"""Steps that reach outside: git, other jobs, people, mail, HTTP; and what the place is told."""

from __future__ import annotations

import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sandbox.ci.groovy.worker import GroovyWorker
from sandbox.ci.model import Aborted, Input, Outcome, Result, Source
from sandbox.ci.pipeline.run import execute
from tests.ci_pipeline.conftest import Building


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (folder / "hello.txt").write_text("hello\n")
    git("add", ".")
    git("commit", "-q", "-m", "first words")
    return folder


def test_declarative_checks_out_its_source(worker: GroovyWorker, place: Building, repository: Path) -> None:
    place.source = Source(str(repository), "main")
    text = """pipeline { agent any
        stages { stage('a') {
            when { branch 'main' }
            steps { sh 'cat hello.txt; echo commit $GIT_COMMIT branch $GIT_BRANCH' } } } }"""
    assert execute(worker, text, place) is Result.SUCCESS, place.log
    assert "[Pipeline] { (Declarative: Checkout SCM)" in place.log
    assert 'Commit message: "first words"' in place.log
    commit = (repository / ".git/refs/heads/main").read_text().strip()
    assert f"\nhello\n+ echo commit {commit} branch origin/main" in place.log


def test_git_and_checkout_in_a_script(worker: GroovyWorker, place: Building, repository: Path) -> None:
    text = f"""node {{
        git url: '{repository}', branch: 'main'
        dir('again') {{
            def vars = checkout scmGit(branches: [[name: '*/main']], userRemoteConfigs: [[url: '{repository}']])
            echo "checked out ${{vars.GIT_COMMIT.size()}} ${{fileExists('hello.txt')}}"
        }}
        try {{ git url: '{repository}', branch: 'nope' }} catch (e) {{ echo "no: ${{e.message}}" }}
    }}
    checkout scm"""
    assert execute(worker, text, place) is Result.FAILURE
    assert "checked out 40 true" in place.log
    assert "no: Couldn't find any revision to build." in place.log
    assert "ERROR: \u2018checkout scm\u2019 is only available" in place.log


def test_build_of_another_job(worker: GroovyWorker, place: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any], bool]] = []

    def build(job: str, parameters: Mapping[str, Any], wait: bool, stopped: Callable[[], bool]) -> Outcome:
        asked.append((job, dict(parameters), wait))
        if job == "unknown":
            raise LookupError(f"No item named {job} found")
        return Outcome(job, 7, f"http://ci/job/{job}/7/", "FAILURE" if job == "bad" else "SUCCESS", 1500)

    monkeypatch.setattr(place, "build", build)
    text = """def given = [string(name: 'A', value: 'x'), booleanParam(name: 'B', value: true)]
        def b = build job: 'good', parameters: given
        echo "number ${b.number} ${b.result} ${b.getAbsoluteUrl()}"
        build job: 'later', wait: false
        def bad = build(job: 'bad', propagate: false)
        echo "bad ${bad.result}"
        try { build 'unknown' } catch (e) { echo e.message }
        build 'bad'"""
    assert execute(worker, text, place) is Result.FAILURE
    assert asked[0] == ("good", {"A": "x", "B": True}, True)
    assert asked[1] == ("later", {}, False)
    assert "number 7 SUCCESS http://ci/job/good/7/" in place.log
    assert "bad FAILURE" in place.log
    assert "No item named unknown found" in place.log
    assert "bad #7 completed with status FAILURE (propagate: false to ignore)" in place.log


def test_input_is_answered(worker: GroovyWorker, place: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[Input] = []

    def ask(question: Input, stopped: Callable[[], bool]) -> tuple[str, Mapping[str, Any]]:
        questions.append(question)
        if question.message == "Really?":
            raise Aborted("Rejected by ann")
        return "ann", {"WHERE": "north"}

    monkeypatch.setattr(place, "ask", ask)
    text = """pipeline { agent none
        stages { stage('Ask') {
            input { message 'Deploy?'
                ok 'Yes'
                submitterParameter 'WHO'
                parameters { choice(name: 'WHERE', choices: ['south', 'north']) } }
            steps { echo "to ${WHERE} by ${WHO}"
                script { input 'Really?' } } } } }"""
    assert execute(worker, text, place) is Result.ABORTED
    assert (questions[0].ok, questions[0].parameters[0].choices) == ("Yes", ("south", "north"))
    assert "Approved by ann" in place.log
    assert "to north by ann" in place.log
    assert place.log.endswith("Rejected by ann\nFinished: ABORTED\n")


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201 if self.path == "/ok" else 500)
        self.end_headers()
        self.wfile.write(b"got " + body + self.headers.get("X-Own", "").encode())

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_http_request(worker: GroovyWorker, place: Building, web: str) -> None:
    text = f"""def r = httpRequest(url: '{web}/ok', httpMode: 'POST', requestBody: 'x', contentType: 'APPLICATION_JSON',
            customHeaders: [[name: 'X-Own', value: '!']])
        echo "answer ${{r.status}} ${{r.content}}"
        def bad = httpRequest(url: '{web}/bad', httpMode: 'POST', requestBody: '', validResponseCodes: '100:599')
        echo "bad ${{bad.status}}"
        httpRequest(url: '{web}/bad', httpMode: 'POST', requestBody: '')"""
    assert execute(worker, text, place) is Result.FAILURE
    assert "answer 201 got x!" in place.log
    assert "bad 500" in place.log
    assert "ERROR: Fail: Status code 500 is not in the accepted range: 100:399" in place.log


class Mailbox(socketserver.StreamRequestHandler):
    """Just enough SMTP to take one message."""

    received: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 hello\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.received.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


def test_mail(worker: GroovyWorker, place: Building) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place.environment = {"SMTP_SERVER": f"127.0.0.1:{server.server_address[1]}"}
        text = """mail to: 'a@example.org', subject: 'Hi', body: 'text'
            emailext to: 'b@example.org', body: '$DEFAULT_CONTENT'"""
        assert execute(worker, text, place) is Result.SUCCESS, place.log
        server.shutdown()
    assert "Subject: Hi" in Mailbox.received[0]
    assert "Subject: local - Build # 1 - SUCCESS!" in Mailbox.received[1]


def test_what_the_place_is_told(worker: GroovyWorker, place: Building) -> None:
    text = """pipeline { agent any
        options { buildDiscarder(logRotator(numToKeepStr: '7')); disableConcurrentBuilds() }
        parameters { string(name: 'A', defaultValue: 'b'); choice(name: 'C', choices: ['x', 'y'], description: 'd') }
        triggers { cron('@daily'); pollSCM('H/5 * * * *') }
        stages { stage('One') { steps { echo 'x' } }
                 stage('Two') { when { expression { false } }
                                steps { echo 'never' } }
                 stage('Three') { steps {
                     catchError(stageResult: 'UNSTABLE', buildResult: 'SUCCESS') { error 'e' } } } } }"""
    assert execute(worker, text, place) is Result.SUCCESS
    declared = place.declarations
    assert [(p.name, p.kind, p.default, p.choices) for p in declared.parameters] == [
        ("A", "string", "b", ()),
        ("C", "choice", "x", ("x", "y")),
    ]
    assert declared.triggers == (("cron", "@daily"), ("pollSCM", "H/5 * * * *"))
    assert (declared.keep_builds, declared.concurrent) == (7, False)
    stages = [(s["name"], s["status"]) for s in place.stages()]
    assert stages == [("One", "SUCCESS"), ("Two", "NOT_EXECUTED"), ("Three", "UNSTABLE")]


def test_previous_builds_decide_post_conditions(
    worker: GroovyWorker, place: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "previous", lambda: {"number": 1, "result": "FAILURE", "timestamp": 1, "duration": 2})
    text = """pipeline { agent none
        stages { stage('a') { steps { echo "before ${currentBuild.previousBuild.result}" } } }
        post { fixed { echo 'it is fixed' }
               changed { echo 'it changed' }
               regression { echo 'WRONG' } } }"""
    assert execute(worker, text, place) is Result.SUCCESS
    assert "before FAILURE" in place.log
    assert "it changed" in place.log
    assert "it is fixed" in place.log
    assert "WRONG" not in place.log
