"""The pytest plugin without an engine: it costs nothing until used, and says what is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"boto3", "click", "docker", "python_on_whales", "requests", "rich", "testcontainers", "yaml"}
NEEDS_AWS = "def test_aws(aws): pass\n"


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, pytest; old = set(sys.modules); import sandbox.testing.plugin; print(*set(sys.modules) - old)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"sandbox", "sandbox.testing", "sandbox.testing.plugin"}


def test_run_that_does_not_use_it_loads_nothing(pytester: pytest.Pytester, plugin: list[str]) -> None:
    pytester.makeconftest(
        f"""
        import sys
        def pytest_unconfigure():
            print("LOADED", sorted({HEAVY!r} & set(sys.modules)), "sandbox.engine" in sys.modules)
        """
    )
    pytester.makepyfile("def test_nothing(): pass")
    done = pytester.runpytest_subprocess(*plugin)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["LOADED [[]] False"])


def test_without_an_engine_tests_fail_with_the_reason(pytester: pytest.Pytester, plugin: list[str]) -> None:
    pytester.makepyfile(NEEDS_AWS)
    done = pytester.runpytest_subprocess(*plugin)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["sandbox: the Docker engine does not answer", "hint: `sandbox doctor`*"])


@pytest.mark.parametrize("how", ["option", "file"])
def test_without_an_engine_tests_are_skipped_if_wanted(pytester: pytest.Pytester, plugin: list[str], how: str) -> None:
    pytester.makepyfile(NEEDS_AWS)
    if how == "file":
        pytester.makeini("[pytest]\nsandbox_without_docker = skip\n")
    done = pytester.runpytest_subprocess(*plugin, "-rs", *(["--sandbox-without-docker=skip"] * (how == "option")))
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED * sandbox: the Docker engine does not answer; hint: `sandbox doctor`*"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sandbox_xdist = many", "*sandbox_xdist must be one of auto, shared, worker*"),
        ("sandbox_without_docker = pass", "*sandbox_without_docker must be one of fail, skip*"),
        ("sandbox_timeout = soon", "*sandbox_timeout must be seconds*"),
        ("sandbox_set = AWS_PORT", "*sandbox_set: write NAME=value, not AWS_PORT*"),
    ],
)
def test_wrong_configuration_is_told(pytester: pytest.Pytester, plugin: list[str], line: str, message: str) -> None:
    pytester.makeini(f"[pytest]\n{line}\n")
    pytester.makepyfile("def test_nothing(): pass")
    done = pytester.runpytest_subprocess(*plugin)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([message])


def test_own_fixture_of_the_same_name_asks_for_nothing(pytester: pytest.Pytester, plugin: list[str]) -> None:
    pytester.makeconftest(
        """
        import pytest
        from sandbox.testing.plugin import RUN
        @pytest.fixture
        def aws(request): return request.config.stash[RUN].asked
        """
    )
    pytester.makepyfile("def test_mine(aws): assert aws == ()")
    pytester.runpytest_subprocess(*plugin).assert_outcomes(passed=1)


def test_what_tests_ask_for_is_known_before_the_first(pytester: pytest.Pytester, plugin: list[str]) -> None:
    pytester.makeconftest(
        """
        import pytest
        from sandbox.testing.plugin import RUN
        @pytest.hookimpl(trylast=True)
        def pytest_collection_finish(session): print("ASKED", *session.config.stash[RUN].asked)
        """
    )
    pytester.makeini("[pytest]\nsandbox_services = gateway\n")
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.sandbox("traffic")
        @pytest.mark.sandbox("localstack", "prometheus")
        def test_marked(): pass
        def test_fixtures(alerts, aws): pass
        def test_left_out(grafana): pass
        """
    )
    done = pytester.runpytest_subprocess(*plugin, "--collect-only", "-q", "-k", "not left_out")
    done.stdout.fnmatch_lines(["ASKED gateway localstack prometheus traffic aws alertmanager"])


def test_marker_and_options_are_described(pytester: pytest.Pytester, plugin: list[str]) -> None:
    pytester.runpytest_subprocess(*plugin, "--markers").stdout.fnmatch_lines(["@pytest.mark.sandbox(*services)*"])
    options = ["services", "project", "xdist", "without-docker", "timeout", "keep"]
    help = pytester.runpytest_subprocess(*plugin, "--help").stdout.str()
    assert [name for name in options if f"--sandbox-{name}" not in help] == []
