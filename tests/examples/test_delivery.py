"""A build runs, with parameters, to its result; its job may come from the test."""

from __future__ import annotations

from sandbox.testing.services import Ci

JENKINSFILE = """
pipeline {
    agent any
    parameters { string(name: 'WHO', defaultValue: 'nobody') }
    stages {
        stage('Greet') { steps { sh 'echo hello $WHO; test "$WHO" != trouble' } }
    }
}
"""


def test_build_runs(ci: Ci) -> None:
    build = ci.build("hello")  # what the ci service has from the start
    assert build.result == "SUCCESS"
    assert "[Pipeline] { (" in build.log


def test_builds_of_a_job_of_our_own(ci: Ci) -> None:
    ci.define("greeting", JENKINSFILE)
    assert "hello nobody" in ci.build("greeting").log  # a first build makes the parameters known, as in Jenkins
    assert "hello you" in ci.build("greeting", {"WHO": "you"}).log
    assert ci.build("greeting", {"WHO": "trouble"}).result == "FAILURE"
