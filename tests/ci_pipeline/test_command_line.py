"""`sandbox ci lint` and `sandbox ci run` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from sandbox.cli import root

GOOD = "pipeline { agent any\n stages { stage('a') { steps { sh 'echo to stdout' } } } }"
BAD = "pipeline { agent any }"


def test_lint_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "good").write_text(GOOD)
    (tmp_path / "bad").write_text(BAD)
    (tmp_path / "scripted").write_text("node { sh 'x' }")
    (tmp_path / "broken").write_text("node {")
    names = [str(tmp_path / name) for name in ("good", "bad", "scripted", "broken", "missing")]
    result = CliRunner().invoke(root, ["ci", "lint", "--json", *names])
    answers = json.loads(result.stdout)
    assert result.exit_code == 2  # one file is not there; the others are checked all the same
    assert "error: " + names[4] + " cannot be read: No such file or directory" in result.stderr
    assert [a["file"] for a in answers] == names
    assert [a["valid"] for a in answers] == [True, False, True, False, False]
    assert answers[1]["errors"] == [{"line": 1, "column": 1, "message": 'Missing required section "stages"'}]
    assert answers[3]["errors"][0]["line"] == 1
    assert CliRunner().invoke(root, ["ci", "lint", names[0], names[2]]).exit_code == 0
    shown = CliRunner().invoke(root, ["ci", "lint", *names[:2]])
    assert (shown.exit_code, shown.stdout) == (
        1,
        f'{names[0]}: valid\n{names[1]}:1:1: Missing required section "stages"\n',
    )


def test_lint_of_files_that_hold_no_text(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "latin").write_bytes("node {\n  // ä, caf".encode() + b"\xe9\n}")
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    names = [str(tmp_path / name) for name in ("empty", "latin", "marked")]
    result = CliRunner().invoke(root, ["ci", "lint", "--json", *names])
    empty, latin, marked = json.loads(result.stdout)
    assert result.exit_code == 1
    assert empty["errors"] == [
        {"line": 1, "column": 1, "message": "The file is empty: it did not contain the 'pipeline' step"}
    ]
    assert latin["errors"] == [{"line": 2, "column": 12, "message": "Not UTF-8: byte 0xE9. Save the file as UTF-8."}]
    assert marked["valid"]


def test_run_prints_the_log_and_one_object(tmp_path: Path) -> None:
    (tmp_path / "Jenkinsfile").write_text(GOOD)
    result = CliRunner().invoke(root, ["ci", "run", str(tmp_path / "Jenkinsfile"), "--json"])
    log, _, last = result.stdout.rstrip("\n").rpartition("\n")
    answer = json.loads(last)
    assert result.exit_code == 0
    assert log.endswith("Finished: SUCCESS")
    assert answer["result"] == "SUCCESS"
    assert "\nto stdout\n" in answer["log"]
    assert [(s["name"], s["status"]) for s in answer["stages"]] == [("a", "SUCCESS")]
    assert answer["duration"] > 0


def test_run_in_a_workspace_with_parameters(tmp_path: Path) -> None:
    (tmp_path / "Jenkinsfile").write_text("node { sh 'echo $NAME > made' }\nerror 'enough'")
    command = ["ci", "run", str(tmp_path / "Jenkinsfile"), "-p", "NAME=value", "--workspace", str(tmp_path / "ws")]
    result = CliRunner().invoke(root, command)
    assert result.exit_code == 1
    assert result.stdout.endswith("ERROR: enough\nFinished: FAILURE\n")
    assert (tmp_path / "ws" / "made").read_text() == "value\n"


def test_a_boolean_parameter_is_a_boolean(tmp_path: Path) -> None:
    (tmp_path / "Jenkinsfile").write_text(
        "pipeline { agent none\n parameters { booleanParam(name: 'FLAG', defaultValue: true) }\n"
        " stages { stage('a') { steps { echo \"${params.FLAG ? 'yes' : 'no'} ${env.FLAG}\" } } } }"
    )
    result = CliRunner().invoke(root, ["ci", "run", str(tmp_path / "Jenkinsfile"), "-p", "FLAG=false"])
    assert "\nno false\n" in result.stdout
