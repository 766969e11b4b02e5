"""The server with the real pipeline engine, which needs Java and Groovy."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.ci.groovy import java
from sandbox.ci.model import Source
from sandbox.ci.server.configuration import Definition
from sandbox.ci.store import MULTIBRANCH
from tests.ci_server.conftest import Running, until
from tests.ci_server.test_git import commit, job, repository

pytestmark = pytest.mark.skipif(not java.is_there(), reason="Java or Groovy 2.4 is not installed")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    cache = os.environ.get("SANDBOX_CI_CACHE") or str(tmp_path_factory.mktemp("cache"))
    running = Running(tmp_path_factory.mktemp("ci") / "home", program="sandbox.ci.server", SANDBOX_CI_CACHE=cache)
    yield running
    assert running.stop() == 0


def worker(server: Running) -> int:
    """The process id of its Java."""
    found = subprocess.run(
        ["pgrep", "-P", str(server.process.pid), "java"], capture_output=True, text=True, timeout=20, check=True
    )
    return int(found.stdout.split()[0])


def test_a_declarative_pipeline(real: Running) -> None:
    real.create(
        "declarative",
        """pipeline { agent any
            parameters { string(name: 'WHO', defaultValue: 'world'); choice(name: 'SIZE', choices: ['small', 'large']) }
            stages {
                stage('Greet') { steps { sh 'echo $SIZE hello $WHO from $JOB_NAME $BUILD_NUMBER' } }
                stage('Both') { parallel { stage('left') { steps { echo 'l' } }
                    stage('right') { steps { echo 'r' } } } } }
            post { always { echo 'the end' } } }""",
    )
    assert real.build("declarative")["result"] == "SUCCESS"
    assert "small hello world from declarative 1" in real.console("declarative")
    real.build("declarative", WHO="Jenkins")
    assert "small hello Jenkins from declarative 2" in real.console("declarative")
    stages = real.get("job/declarative/2/wfapi/describe").json()["stages"]
    assert {"Greet", "Both", "left", "right"} <= {stage["name"] for stage in stages}
    node = next(stage for stage in stages if stage["name"] == "Greet")
    text = real.get(f"job/declarative/2/execution/node/{node['id']}/wfapi/log").json()["text"]
    assert "hello Jenkins" in text
    assert "the end" not in text


def test_a_file_parameter_lies_in_the_workspace(real: Running) -> None:
    real.create("takes", "properties([parameters([file(name: 'in/data.txt')])])\nnode { sh 'cat in/data.txt' }")
    upload = {"in/data.txt": ("mine.txt", b"of the client\n")}
    answer = real.post("job/takes/buildWithParameters", files=upload)
    assert real.finished(int(answer.headers["Location"].rstrip("/").rpartition("/")[2]))["result"] == "SUCCESS"
    assert "\nof the client\n" in real.console("takes")


def test_validation_by_the_api(real: Running) -> None:
    answer = real.post("pipeline-model-converter/validate", data={"jenkinsfile": "pipeline { agent any }"})
    assert 'Missing required section "stages"' in answer.text
    good = "pipeline { agent any\n stages { stage('a') { steps { echo 'x' } } } }"
    answer = real.post("pipeline-model-converter/validate", data={"jenkinsfile": good})
    assert answer.text == "Jenkinsfile successfully validated.\n"
    answer = real.post("pipeline-model-converter/validate", data={"jenkinsfile": "echo 'x'"})
    assert answer.text == "Jenkinsfile content 'echo 'x'' did not contain the 'pipeline' step\n"
    answer = real.post("pipeline-model-converter/validateJenkinsfile", data={"jenkinsfile": "node { }"})
    assert answer.json()["data"]["errors"] == [
        {"error": "Jenkinsfile content 'node { }' did not contain the 'pipeline' step"}
    ]


def test_a_build_builds_another_and_one_is_stopped(real: Running) -> None:
    real.create("child", "node { sh 'echo child works' }")
    real.create("parent", "def b = build 'child'\necho \"child said ${b.result}\"")
    assert real.build("parent")["result"] == "SUCCESS"
    assert "\nScheduling project: child\nStarting building: child #1\n" in real.console("parent")
    assert "child said SUCCESS" in real.console("parent")
    real.create("orphan", "build 'absent'")
    assert real.build("orphan")["result"] == "FAILURE"
    assert "Scheduling" not in real.console("orphan")
    assert "ERROR: No item named absent found" in real.console("orphan")
    real.create("endless", "node { sh 'echo begun; sleep 100' }")
    queued = real.submit("endless")
    until(lambda: "begun" in real.console("endless"))
    real.post("job/endless/1/stop")
    assert real.finished(queued)["result"] == "ABORTED"


def test_the_groovy_worker_is_killed_in_the_middle(real: Running) -> None:
    real.create("loses", "node { sh 'echo begun'; sleep 100 }")
    queued = real.submit("loses")
    until(lambda: "begun" in real.console("loses"))
    os.kill(worker(real), signal.SIGKILL)
    assert real.finished(queued)["result"] == "ABORTED"
    assert "the Groovy worker was killed" in real.console("loses")
    real.create("after", "echo 'works again'")
    assert real.build("after")["result"] == "SUCCESS"


BUILDSPEC = """\
version: 0.2
phases:
  build:
    commands:
      - mkdir -p out/reports
      - echo "made on $BRANCH_NAME" > out/made.txt
      - >-
        echo '<testsuite name="unit"><testcase classname="orders" name="works"/>
        <testcase classname="orders" name="is slow"><skipped/></testcase></testsuite>' > out/reports/unit.xml
reports:
  unit: {files: ['*.xml'], base-directory: out/reports}
artifacts: {files: [made.txt], base-directory: out}
"""


def test_a_repository_with_a_buildspec_and_no_jenkinsfile(real: Running, tmp_path: Path) -> None:
    clone = repository(real, "spec", tmp_path)
    job(real, "spec", Definition(MULTIBRANCH, source=Source(f"{real.url}git/spec.git")))
    commit(clone, **{"buildspec.yml": BUILDSPEC})
    until(lambda: "Finished: " in real.get("job/spec/job/main/1/consoleText").text)
    log = real.get("job/spec/job/main/1/consoleText").text
    assert "Obtained buildspec.yml from git" in log
    assert "Phase complete: BUILD State: SUCCEEDED" in log
    assert log.endswith("Finished: SUCCESS\n")
    build = real.get("job/spec/job/main/1/api/json").json()
    assert [each["relativePath"] for each in build["artifacts"]] == ["made.txt"]
    assert real.get("job/spec/job/main/1/artifact/made.txt").text == "made on main\n"
    tests = real.get("job/spec/job/main/1/testReport/api/json").json()
    assert (tests["passCount"], tests["skipCount"], tests["failCount"]) == (1, 1, 0)
    assert "main: buildspec.yml found" in real.get("job/spec/indexing/consoleText").text
    commit(clone, **{"buildspec.yml": BUILDSPEC.replace("phases:", "fases:")})
    until(lambda: "Finished: FAILURE" in real.get("job/spec/job/main/2/consoleText").text)
    assert "buildspec.yml:2: fases: unknown key" in real.get("job/spec/job/main/2/consoleText").text
