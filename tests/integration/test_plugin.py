"""The pytest plugin on the real engine: each option, workers, a killed run, and what is left afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import leftovers, owner
from sandbox.engine import ComposeEngine
from sandbox.sandbox import Sandbox

USES_AWS = """
    import os, urllib.request, pytest
    @pytest.mark.parametrize("n", range({count}))
    def test_starts_with_nothing(aws, n):
        s3 = aws.client("s3")
        assert s3.list_buckets()["Buckets"] == []
        s3.create_bucket(Bucket="uploads")
        s3.put_object(Bucket="uploads", Key="a", Body=b"x")
        assert os.environ["AWS_ACCESS_KEY_ID"] == aws.account
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of the test's own. Afterwards nothing of what its sandboxes left may be there."""
    home = tmp_path / "sandboxes"
    monkeypatch.setenv("SANDBOX_HOME", str(home))
    yield home
    left = sorted({state.project for state in ComposeEngine().containers() if Path(state.folder).parent == home})
    for project in left:
        Sandbox(project, home, ComposeEngine(), lambda event: None).down(volumes=True)
    assert left == []
    assert [path.name for path in home.glob("[!.]*")] == []


@pytest.fixture
def tests(pytester: pytest.Pytester, plugin: list[str], home: Path) -> Callable[..., pytest.RunResult]:
    """Runs pytest on a file with the given text, with the given options."""

    def run(text: str, *options: str, **files: str) -> pytest.RunResult:
        pytester.makepyfile(text, **files)
        return pytester.runpytest_subprocess(*plugin, "-q", "-p", "no:cacheprovider", "-W", "error", *options)

    return run


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def down(project: str) -> None:
    """`sandbox down --volumes`, and the folder goes too."""
    sandbox = Sandbox(project, Path(os.environ["SANDBOX_HOME"]), ComposeEngine(), lambda event: None)
    leftovers.remove_one(sandbox)


def test_everything_a_test_may_ask_of_a_sandbox(tests: Callable[..., pytest.RunResult]) -> None:
    done = tests(
        """
        import socket, urllib.request, urllib.error, pytest
        pytestmark = pytest.mark.sandbox("ministack", "gateway")

        def answer(url):
            try:
                with urllib.request.urlopen(url, timeout=1) as got: return got.status
            except (OSError, urllib.error.URLError): return None

        def test_addresses(sandbox):
            assert set(sandbox.services) == {"ministack", "gateway"}
            assert answer(sandbox.url("ministack")) == 200
            assert sandbox.env["AWS_ENDPOINT_URL"] == sandbox.base_url("ministack")
            assert sandbox.login("gateway")[0] == "admin" and sandbox.login("ministack") is None
            assert sandbox.url("gateway", "stats").endswith("/stats")
            assert sandbox.base_url("gateway", "stats").endswith(f":{sandbox.port('gateway', 8404)}")

        def test_logs_and_commands(sandbox):
            assert any("Ready" in line for line in sandbox.logs("ministack"))
            assert len(sandbox.logs("ministack", tail=2)) == 2
            done = sandbox.exec("gateway", "sh", "-c", "id -u; exit 3")
            assert (done.code, done.output) == (3, "99\\n")

        @pytest.mark.parametrize("fault", ["stop", "pause", "cut_off"])
        def test_fault_ends_with_its_block(sandbox, fault):
            with getattr(sandbox, fault)("ministack"):
                assert answer(sandbox.env["AWS_ENDPOINT_URL"] + "/_ministack/health") is None
                assert answer(sandbox.url("ministack")) is None
            assert answer(sandbox.url("ministack")) == 200

        def test_fault_that_is_left(sandbox):
            sandbox.stop("gateway")
            sandbox.pause("ministack")

        def test_ended_with_its_test(sandbox):
            assert answer(sandbox.url("ministack")) == 200
            assert answer(sandbox.base_url("gateway") + "/-/healthy") == 200

        def test_fault_can_be_ended_by_hand(sandbox):
            sandbox.stop("gateway")
            sandbox.start("gateway")
            assert answer(sandbox.base_url("gateway") + "/-/healthy") == 200

        def test_reset(sandbox, aws):
            aws.client("s3").create_bucket(Bucket="uploads")
            sandbox.reset("ministack")
            assert aws.client("s3").list_buckets()["Buckets"] == []
        """
    )
    done.assert_outcomes(passed=9)


def test_aws_starts_empty_for_each_test(tests: Callable[..., pytest.RunResult]) -> None:
    tests(USES_AWS.format(count=5)).assert_outcomes(passed=5)


def test_dynamic_fixture_lets_the_sandbox_grow(tests: Callable[..., pytest.RunResult]) -> None:
    done = tests(
        """
        def test_one(sandbox, aws): assert sandbox.services == ("ministack",)
        def test_two(sandbox, request):
            assert request.getfixturevalue("gateway").get("/-/healthy").ok
            assert request.getfixturevalue("sandbox").has("ministack")
        """
    )
    done.assert_outcomes(passed=2)


def test_options_choose_services_and_settings(
    tests: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nsandbox_services = gateway\nsandbox_set =\n    GATEWAY_MEMORY=77m\n")
    done = tests(
        """
        def test_services(sandbox):
            assert set(sandbox.services) == {"gateway"}
            import subprocess
            form = ["docker", "inspect", "-f", "{{.HostConfig.Memory}}", f"{sandbox.project}-gateway-1"]
            assert int(subprocess.check_output(form)) == 77 * 1024**2
        """,
    )
    done.assert_outcomes(passed=1)
    text = "def test_services(sandbox): assert sandbox.services == ('ministack',)"
    tests(text, "--sandbox-services=ministack").assert_outcomes(passed=1)


def test_own_fragment_of_the_project_is_used(
    tests: Callable[..., pytest.RunResult], pytester: pytest.Pytester, base_image: str
) -> None:
    pytester.path.joinpath("mine.yml").write_text(
        f"services: {{mine: {{image: '{base_image}', init: true, command: [sh, -c, 'echo up; sleep 300']}}}}\n"
    )
    pytester.path.joinpath("sandbox.yml").write_text("include: [mine.yml]\nprofile: lite\n")
    done = tests(
        """
        import pytest
        @pytest.mark.sandbox("mine")
        def test_mine(sandbox): assert (sandbox.services, sandbox.logs("mine")) == (("mine",), ["up"])
        """
    )
    done.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def test_it(sandbox): pass", "sandbox: no service was asked for*"),
        (
            "import pytest\n@pytest.mark.sandbox('minstack')\ndef test_it(): pass",
            'sandbox: there is no service minstack, did you mean "ministack"*',
        ),
    ],
)
def test_wrong_wishes_are_told(tests: Callable[..., pytest.RunResult], text: str, message: str) -> None:
    done = tests(text)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([message])


def test_failure_shows_states_lines_and_address(tests: Callable[..., pytest.RunResult]) -> None:
    done = tests(
        """
        def test_it(aws, sandbox):
            aws.client("s3").create_bucket(Bucket="seen-in-the-log")
            sandbox.cut_off("ministack")
            assert False
        """
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "*- sandbox test-*",
            "ministack: *",
            "ministack | *seen-in-the-log*",
            "(--sandbox-keep leaves it running, to be looked at)",
        ]
    )


def test_time_out_says_what_was_waited_for_with_lines(
    tests: Callable[..., pytest.RunResult], pytester: pytest.Pytester, base_image: str
) -> None:
    pytester.path.joinpath("sick.yml").write_text(
        f"services:\n  sick:\n    image: {base_image}\n    init: true\n"
        "    command: [sh, -c, 'echo last words; sleep 99']\n"
        "    healthcheck: {test: ['CMD', 'false'], interval: 1s, retries: 99}\n"
    )
    pytester.path.joinpath("sandbox.yml").write_text("include: [sick.yml]\n")
    done = tests("def test_it(sandbox): pass", "--sandbox-services=sick", "--sandbox-timeout=6")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["sandbox: sick is not ready after 6 s: its health check", "  sick | last words"])


def test_kept_is_found_again_and_a_changed_service_is_replaced(
    tests: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    text = """
        import subprocess, pytest
        @pytest.mark.sandbox("ministack", "gateway")
        def test_it(sandbox):
            form = ["docker", "ps", "-q", "--no-trunc", "--filter", "name="]
            ids = {n: subprocess.check_output([*form[:-1], f"name={sandbox.project}-{n}-1"], text=True).strip()
                   for n in sandbox.services}
            print("IDS", sandbox.project, ids["ministack"], ids["gateway"])
    """

    def ids(*options: str) -> list[str]:
        done = tests(text, "--sandbox-keep", "-s", *options)
        done.assert_outcomes(passed=1)
        line = next(line for line in done.outlines if "IDS" in line)
        return line.partition("IDS ")[2].split()

    first = ids()
    try:
        assert ids() == first
        pytester.makeini("[pytest]\nsandbox_set = GATEWAY_MEMORY=77m\n")
        changed = ids()
        assert changed[:2] == first[:2]
        assert changed[2] != first[2]
        docker("rm", "-f", f"{first[0]}-ministack-1")
        mended = ids()
        assert mended[2] == changed[2]
        assert mended[1] != changed[1]
        docker("kill", f"{first[0]}-gateway-1")
        assert ids()[:2] == mended[:2]
        stays = tests("def test_it(sandbox): pass", "--sandbox-keep", "--sandbox-services=gateway")
        stays.stdout.fnmatch_lines([f"kept: `sandbox --project {first[0]} status`*"])
        assert not docker("ps", "-aq", "--filter", f"name={first[0]}-ministack-1")  # exactly what is asked for
    finally:
        down(first[0])


def test_running_sandbox_is_used_and_left_as_it_is(tests: Callable[..., pytest.RunResult], home: Path) -> None:
    project = f"sandbox-tests-mine-{uuid.uuid4().hex[:6]}"
    command = [sys.executable, "-m", "sandbox", "--project", project, "up", "ministack"]
    subprocess.run([*command, "--set", "AWS_PORT=4766"], check=True, capture_output=True)
    try:
        text = """
            def test_mine(aws):
                s3 = aws.client("s3")
                assert s3.list_buckets()["Buckets"] == []
                s3.create_bucket(Bucket="uploads")
                s3.put_object(Bucket="uploads", Key="a", Body=b"x")
            def test_data_of_others_stays(sandbox):
                import boto3
                s3 = boto3.client("s3", endpoint_url=sandbox.env["AWS_ENDPOINT_URL"], aws_access_key_id="test",
                                  aws_secret_access_key="test", region_name="us-east-1")
                names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
                assert names in ([], ["theirs"])
                if not names: s3.create_bucket(Bucket="theirs")
                print("NAMES", names)
        """
        for names in ("[[]]", "[[]'theirs']"):
            done = tests(text, f"--sandbox-project={project}", "-s")
            done.assert_outcomes(passed=2)
            done.stdout.fnmatch_lines([f"*NAMES {names}"])
        missing = tests("def test_it(gateway): pass", f"--sandbox-project={project}")
        missing.stdout.fnmatch_lines(
            [
                f"sandbox: gateway is not part of the sandbox {project}, which has ministack",
                "hint: `sandbox up *gateway`",
            ]
        )
        none = tests("def test_it(aws): pass", "--sandbox-project=sandbox-tests-none")
        none.stdout.fnmatch_lines(["sandbox: there is no sandbox sandbox-tests-none running"])
        assert docker("ps", "-q", "--filter", f"name={project}-ministack-1")
    finally:
        down(project)


@pytest.mark.parametrize(("mode", "count"), [("shared", 1), ("worker", 4), ("auto", 4)])
def test_four_workers(tests: Callable[..., pytest.RunResult], mode: str, count: int) -> None:
    text = """
        import os, pathlib, pytest
        @pytest.mark.parametrize("n", range(12))
        def test_account_of_its_own(aws, sandbox, n, worker_id):
            s3, sqs = aws.client("s3"), aws.client("sqs")
            assert s3.list_buckets()["Buckets"] == [] and not sqs.list_queues().get("QueueUrls")
            s3.create_bucket(Bucket=f"uploads-{n}" if os.environ["MODE"] == "shared" else "uploads")
            sqs.create_queue(QueueName="orders")
            pathlib.Path(f"{sandbox.project}.{worker_id}").touch()
        """
    os.environ["MODE"] = mode
    try:
        done = tests(text, "-n4", f"--sandbox-xdist={mode}")
    finally:
        del os.environ["MODE"]
    done.assert_outcomes(passed=12)
    seen = [path.name.rsplit(".", 1) for path in Path.cwd().glob("test-*.gw*")]
    assert len({project for project, _ in seen}) == min(count, len(seen))
    assert len({worker for _, worker in seen}) == len(seen) > 1


def test_shared_sandbox_is_one_without_aws_and_refuses_faults(tests: Callable[..., pytest.RunResult]) -> None:
    done = tests(
        """
        import pathlib, pytest
        @pytest.mark.parametrize("n", range(8))
        def test_it(gateway, sandbox, n):
            pathlib.Path(sandbox.project).touch()
            with pytest.raises(Exception, match="gateway is used by other test processes"):
                sandbox.stop("gateway")
            assert gateway.get("/-/healthy").ok
        """,
        "-n4",
    )
    done.assert_outcomes(passed=8)
    assert len(list(Path.cwd().glob("test-*-????????"))) == 1


def test_crashed_worker_leaves_nothing(tests: Callable[..., pytest.RunResult]) -> None:
    done = tests(
        """
        import os
        def test_dies(aws): os._exit(1)
        def test_lives(aws): aws.client("s3").create_bucket(Bucket="uploads")
        """,
        "-n2",
    )
    done.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("then", ["run", "down"])
def test_killed_run_is_cleaned_up_by_the_next(
    tests: Callable[..., pytest.RunResult], pytester: pytest.Pytester, plugin: list[str], home: Path, then: str
) -> None:
    slow = pytester.makepyfile(
        test_slow="""
        import time
        def test_slow(aws, sandbox):
            print("STARTED", sandbox.project, flush=True)
            time.sleep(600)
        """
    )
    command = [sys.executable, "-m", "pytest", *plugin, "-s", "-p", "no:cacheprovider", str(slow)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout
        project = next(line.split()[-1] for line in killed.stdout if "STARTED" in line)
        assert project not in stale()
        killed.send_signal(signal.SIGKILL)
    assert project in stale()
    slow.unlink()
    if then == "run":
        tests("def test_it(aws): pass").assert_outcomes(passed=1)
    else:
        done = sandbox("down", "--stale")
        assert "containers removed" in done.stderr or "1 container removed" in done.stderr
    assert project not in stale()
    assert docker("ps", "-aq", "--filter", f"label=sandbox.project={project}") == ""
    assert docker("volume", "ls", "-q", "--filter", f"label=sandbox.project={project}") == ""
    assert docker("network", "ls", "-q", "--filter", f"label=sandbox.project={project}") == ""


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def stale() -> list[str]:
    return [row["project"] for row in json.loads(sandbox("ls", "--stale", "--json").stdout)]


def test_interrupted_run_leaves_nothing(pytester: pytest.Pytester, plugin: list[str], home: Path) -> None:
    slow = pytester.makepyfile(
        """
        import signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
        def test_slow(aws):
            print("STARTED", flush=True)
            time.sleep(600)
        """
    )
    command = [sys.executable, "-m", "pytest", *plugin, "-s", "-p", "no:cacheprovider", str(slow)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        next(line for line in running.stdout if "STARTED" in line)
        running.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in running.stdout.read()
    assert running.returncode == pytest.ExitCode.INTERRUPTED


def test_two_runs_at_once(pytester: pytest.Pytester, plugin: list[str], home: Path) -> None:
    pytester.makepyfile(USES_AWS.format(count=3))
    command = [sys.executable, "-m", "pytest", *plugin, "-q", "-p", "no:cacheprovider"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said


def python_for_everyone() -> str:
    """A Python like ours that other users may run; ours may lie in root's home."""
    for path in (Path(sys.executable).resolve(), Path(f"/usr/bin/python3.{sys.version_info.minor}")):
        if path.exists() and all(folder.stat().st_mode & 0o001 for folder in path.parents):
            return str(path)
    pytest.skip("no Python that another user may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("group", ["docker", "none"])
def test_user_who_is_not_root(pytester: pytest.Pytester, plugin: list[str], group: str) -> None:
    """A user of the docker group may; one outside it is told."""
    pytester.makepyfile(USES_AWS.format(count=2))
    socket = Path("/var/run/docker.sock").stat()
    if not socket.st_mode & 0o020 or socket.st_gid == 0:
        pytest.skip("the engine's socket belongs to no group")
    python = python_for_everyone()
    folder = Path("/tmp") / f"sandbox-tests-user-{os.getpid()}"
    folder.mkdir()
    shutil.copy(next(pytester.path.glob("test_*.py")), folder)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 4321, 4321)
    environ = {**os.environ, "HOME": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environ.pop("SANDBOX_HOME", None)
    command = [python, "-m", "pytest", *plugin, "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/tmp"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            user=4321,
            group=4321,
            extra_groups=[socket.st_gid] if group == "docker" else [],
        )
        if group == "docker":
            assert "2 passed" in done.stdout, done.stdout + done.stderr
        else:
            assert "sandbox: this user may not talk to the Docker engine" in done.stdout, done.stdout + done.stderr
            assert "add the user to the docker group" in done.stdout
        assert [path.name for path in folder.glob(".sandbox/[!.]*")] == []
    finally:
        shutil.rmtree(folder)


def test_unittest_mixin(tests: Callable[..., pytest.RunResult]) -> None:
    text = """
        import unittest, urllib.request
        from sandbox.testing import SandboxMixin

        class Health(SandboxMixin, unittest.TestCase):
            sandbox_services = ("ministack",)

            def answer(self):
                with urllib.request.urlopen(self.sandbox.url("ministack"), timeout=2) as got: return got.status

            def test_a(self):
                self.assertEqual(self.answer(), 200)
                self.sandbox.pause("ministack")

            def test_b(self):
                self.assertEqual(self.answer(), 200)
    """
    tests(text).assert_outcomes(passed=2)
    done = subprocess.run([sys.executable, "-m", "unittest"], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "OK", done.stderr


def test_async_tests(tests: Callable[..., pytest.RunResult]) -> None:
    done = tests(
        """
        import asyncio, pytest
        from sandbox.testing import Sandbox

        @pytest.fixture
        def anyio_backend(): return "asyncio"

        @pytest.mark.anyio
        async def test_with_the_fixtures(aws, sandbox):
            s3 = aws.client("s3")
            await asyncio.to_thread(s3.create_bucket, Bucket="uploads")
            assert sandbox.has("ministack")

        @pytest.mark.anyio
        async def test_with_one_of_its_own():
            beats = 0
            async def beat():
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0.01)
            beating = asyncio.ensure_future(beat())
            async with Sandbox.start("ministack") as sandbox:
                assert sandbox.env["AWS_ENDPOINT_URL"]
            beating.cancel()
            assert beats > 10  # the loop went on meanwhile
        """
    )
    done.assert_outcomes(passed=2)


def test_owner_label_is_on_everything(tests: Callable[..., pytest.RunResult], home: Path) -> None:
    from sandbox.testing import Sandbox as Started

    with Started.start("prometheus") as running:
        engine = ComposeEngine()
        assert engine.owners()[running.project] == owner.label()
        for kind in ("ps -aq", "volume ls -q", "network ls -q"):
            mine = docker(*kind.split(), "--filter", f"label=sandbox.project={running.project}")
            assert mine
            owned = docker(*kind.split(), "--filter", f"label=sandbox.owner={owner.label()}")
            assert set(mine.split()) <= set(owned.split())  # this process may own more


def test_localstack_is_empty_for_each_test(tests: Callable[..., pytest.RunResult]) -> None:
    text = 'import pytest\npytestmark = pytest.mark.sandbox("localstack")\n' + textwrap.dedent(USES_AWS).format(count=3)
    tests(text).assert_outcomes(passed=3)
