"""Buildspecs and CodePipeline's pipelines: what they do, and how their mistakes are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sandbox.ci import recipes
from sandbox.ci.groovy.worker import GroovyWorker
from sandbox.ci.model import Result
from sandbox.ci.pipeline.run import execute
from tests.ci_pipeline.conftest import Building

SPEC = """\
version: 0.2
env:
  variables: {WHO: you}
phases:
  install:
    runtime-versions: {python: 3.13}
    commands: ["export A=1; mkdir -p out; cd out"]
  build:
    commands: ['echo "hello $WHO $A" > x.txt', "COMMAND"]
    finally: [echo at last]
  post_build:
    commands: ['echo "succeeding $CODEBUILD_BUILD_SUCCEEDING $CODEBUILD_BUILD_ID"']
artifacts: {files: ['**/*'], base-directory: out}
"""


def built(worker: GroovyWorker, place: Building, spec: str) -> Result:
    folder = place.workspaces / place.job
    folder.mkdir(parents=True)
    (folder / "buildspec.yml").write_text(spec)
    return execute(worker, recipes.script(spec, "buildspec.yml").replace(recipes.CHECKOUT, ""), place)


def test_phases_share_a_shell_and_artifacts_are_kept(worker: GroovyWorker, place: Building) -> None:
    assert built(worker, place, SPEC.replace("COMMAND", "true")) is Result.SUCCESS, place.log
    assert "Phase complete: BUILD State: SUCCEEDED" in place.log
    assert "at last\n" in place.log
    assert "\nsucceeding 1 local:1\n" in place.log
    assert (place.folder / "artifacts" / "x.txt").read_text() == "hello you 1\n"
    names = [stage["name"] for stage in place.stages()]
    assert names == ["DOWNLOAD_SOURCE", "INSTALL", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS"]


def test_post_build_runs_after_a_failed_build(worker: GroovyWorker, place: Building) -> None:
    assert built(worker, place, SPEC.replace("COMMAND", "exit 3")) is Result.FAILURE
    assert "at last\n" in place.log
    assert "Phase complete: BUILD State: FAILED" in place.log
    assert "Error while executing command: exit 3. Reason: exit status 3" in place.log
    assert "\nsucceeding 0 local:1\n" in place.log


@pytest.mark.parametrize(("how", "goes_on"), [("", False), ("ABORT", False), ("CONTINUE", True)])
def test_failed_install_ends_the_build_unless_it_shall_go_on(
    worker: GroovyWorker, place: Building, how: str, goes_on: bool
) -> None:
    spec = SPEC.replace("mkdir -p out; cd out", "mkdir -p out; cd out; false").replace("COMMAND", "true")
    if how:
        spec = spec.replace("  install:\n", f"  install:\n    on-failure: {how}\n")
    assert built(worker, place, spec) is Result.FAILURE
    assert ("Entering phase BUILD" in place.log) is goes_on


class Answering(BaseHTTPRequestHandler):
    asked: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((f"{self.command} {self.path}", self.headers.get("X-Amz-Target", ""), body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"Parameter": {"Value": "s3cret-value"}}')

    do_PUT = do_POST

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def aws() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    asked: list[tuple[str, str, bytes]] = []
    handler = type("Aws", (Answering,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


PIPELINE = """\
name: web
stages:
  - name: Source
    actions:
      - {name: Fetch, actionTypeId: {category: Source, provider: CodeCommit}, outputArtifacts: [{name: src}]}
  - name: Build
    actions:
      - name: Make
        actionTypeId: {category: Build, provider: CodeBuild}
        inputArtifacts: [{name: src}]
        outputArtifacts: [{name: made}]
  - name: Deploy
    actions:
      - name: Upload
        actionTypeId: {category: Deploy, provider: S3}
        inputArtifacts: [{name: made}]
        configuration: {BucketName: site, ObjectKey: web}
"""


def test_pipeline_builds_and_deploys_with_masked_parameters(
    worker: GroovyWorker, place: Building, aws: tuple[str, list[tuple[str, str, bytes]]]
) -> None:
    url, asked = aws
    place.environment = {"AWS_ENDPOINT_URL": url}
    spec = SPEC.replace("  variables:", "  parameter-store: {TOKEN: /web/token}\n  variables:")
    folder = place.workspaces / place.job / "src"
    folder.mkdir(parents=True)
    (folder / "buildspec.yml").write_text(spec.replace("COMMAND", "echo token $TOKEN"))
    text = recipes.script(PIPELINE, "codepipeline.yml").replace(recipes.CHECKOUT, "")
    assert execute(worker, text, place) is Result.SUCCESS, place.log
    assert asked[0][:2] == ("POST /", "AmazonSSM.GetParameter")
    assert asked[-1] == ("PUT /site/web/x.txt", "", b"hello you 1\n")
    assert "token ****\n" in place.log
    assert "s3cret-value" not in place.log
    assert [s["name"] for s in place.stages() if s["name"].istitle()] == ["Source", "Build", "Deploy"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("phases: {build: {commands: [a]}}\n", 1, "version is missing"),
        ("version: 0.2\nrun-as: root\nphases: {}\n", 2, "run-as: is not supported here"),
        ("version: 0.2\nphases:\n  biuld: {commands: [a]}\n", 3, "phases.biuld: unknown key"),
        ("version: 0.2\nphases:\n  build:\n    commands: a\n", 4, "phases.build.commands: must be a list"),
        (
            "version: 0.2\nphases:\n  build:\n    commands:\n      - a: b\n",
            5,
            "phases.build.commands.0: must be a text",
        ),
        ("version: 0.2\nphases:\n  build: {on-failure: STOP, commands: [a]}\n", 3, "none of ABORT, CONTINUE"),
        ("version: 0.2\nphases: [\n", 3, "not valid YAML"),
    ],
)
def test_mistakes_of_a_buildspec_have_their_line_and_key(text: str, line: int, message: str) -> None:
    assert any(at == line and message in told for at, told in recipes.problems(text, "buildspec.yml"))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("provider: S3", "provider: ECS", "ECS is not supported here"),
        ("[{name: made}]\n        configuration", "[{name: none}]\n        configuration", "input artifact none"),
        ("BucketName: site, ", "", "configuration.BucketName is missing"),
    ],
)
def test_mistakes_of_a_pipeline_are_told(before: str, after: str, message: str) -> None:
    assert before in PIPELINE
    assert any(message in told for _, told in recipes.problems(PIPELINE.replace(before, after), "codepipeline.yml"))
    assert recipes.problems(PIPELINE, "codepipeline.yml") == []
