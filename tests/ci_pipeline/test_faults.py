"""What goes wrong in a build stays in that build, and is told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.ci.groovy.worker import GroovyWorker, WarmWorker
from sandbox.ci.model import Result
from sandbox.ci.pipeline.lint import check
from sandbox.ci.pipeline.run import Run, execute
from tests.ci_pipeline.conftest import Building


class Background:
    """A build on a thread of its own."""

    def __init__(self, worker: GroovyWorker, text: str, place: Building) -> None:
        self.place = place
        self.run = Run(worker, text, place)
        self.result: Result | None = None
        self._thread = threading.Thread(target=self._execute)
        self._thread.start()

    def _execute(self) -> None:
        self.result = self.run.execute()

    def saw(self, text: str) -> None:
        """Waits until the log has a text."""
        tick = threading.Event()
        for _ in range(2000):
            if text in self.place.log:
                return
            tick.wait(0.01)
        pytest.fail(f"never saw {text!r} in\n{self.place.log}")

    def ended(self) -> Result | None:
        self._thread.join(30)
        assert not self._thread.is_alive(), self.place.log
        return self.result


@pytest.fixture
def places(tmp_path: Path) -> Callable[[str], Building]:
    return lambda name: Building(tmp_path / name)


@pytest.fixture
def own_worker(groovy: None) -> Iterator[GroovyWorker]:
    worker = GroovyWorker(heap_mb=64)
    yield worker
    worker.close()


def processes_with(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def test_a_looping_build_is_stopped_without_harming_another(
    worker: GroovyWorker, places: Callable[[str], Building]
) -> None:
    looping = Background(worker, "echo 'looping'\nwhile (true) { }", places("a"))
    other = Background(worker, "echo 'other'\nsleep 1\necho 'done'", places("b"))
    looping.saw("looping")
    looping.run.stop("Aborted by admin")
    assert looping.ended() is Result.ABORTED
    assert looping.place.log.endswith("Aborted by admin\nFinished: ABORTED\n")
    assert other.ended() is Result.SUCCESS


def test_a_loop_that_catches_everything_ends_when_stopped_twice(
    worker: GroovyWorker, places: Callable[[str], Building]
) -> None:
    text = "while (true) { try { echo 'looping'; while (true) { } } catch (Throwable t) { echo 'caught' } }"
    build = Background(worker, text, places("a"))
    build.saw("looping")
    build.run.stop("Aborted by admin")
    build.saw("caught")
    build.run.stop("Aborted by admin")
    assert build.ended() is not Result.SUCCESS


def test_steps_after_a_stop_still_run(worker: GroovyWorker, places: Callable[[str], Building]) -> None:
    text = "node { try { sh 'sleep 60' } finally { sh 'echo cleaned up' } }"
    build = Background(worker, text, places("a"))
    build.saw("+ sleep 60")
    build.run.stop("Aborted by admin")
    assert build.ended() is Result.ABORTED
    assert "\ncleaned up\n" in build.place.log


def test_exhausted_memory_ends_the_worker_and_says_so(places: Callable[[str], Building], groovy: None) -> None:
    warm = WarmWorker(heap_mb=48)
    try:
        first = warm()
        bystander = Background(first, "node { sh 'echo waiting; sleep 60' }", places("b"))
        bystander.saw("waiting")
        hungry = Background(first, "def all = []\nwhile (true) { all << new byte[1000000] }", places("a"))
        assert hungry.ended() is Result.ABORTED
        assert bystander.ended() is Result.ABORTED
        for build in (hungry, bystander):
            assert "Aborted: the Groovy worker ran out of memory\n" in build.place.log
        assert warm() is not first
        assert execute(warm(), "echo 'again'", places("c")) is Result.SUCCESS
    finally:
        warm.close()


def test_a_killed_worker_aborts_its_builds(own_worker: GroovyWorker, places: Callable[[str], Building]) -> None:
    build = Background(own_worker, "node { sh 'echo begun; sleep 61' }", places("a"))
    build.saw("begun\n")
    os.kill(own_worker.pid, signal.SIGKILL)
    assert build.ended() is Result.ABORTED
    assert "Aborted: the Groovy worker was killed (signal 9)" in build.place.log
    assert build.place.log.count("Sending interrupt signal") == 1
    assert processes_with("sleep\x0061") == []


def test_an_orphan_is_ended_with_its_node(worker: GroovyWorker, place: Building) -> None:
    text = "node { sh 'nohup sleep 3601 >/dev/null 2>&1 & echo started' }"
    assert execute(worker, text, place) is Result.SUCCESS
    assert "\nstarted\n" in place.log
    assert processes_with("sleep\x003601") == []


def test_a_background_child_does_not_hold_the_step(worker: GroovyWorker, place: Building) -> None:
    assert execute(worker, "node { sh 'sleep 3602 & echo on' }\necho 'after'", place) is Result.SUCCESS
    assert processes_with("sleep\x003602") == []


def test_a_step_that_ignores_sigterm_is_killed(
    worker: GroovyWorker, places: Callable[[str], Building], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.ci.pipeline.steps.shell.GRACE", 0.3)
    build = Background(worker, "node { sh 'trap \"\" TERM; echo deaf; while true; do sleep 0.1; done' }", places("a"))
    build.saw("deaf\n")
    build.run.stop("Aborted by admin")
    assert build.ended() is Result.ABORTED
    assert "script returned exit code 137" in build.place.log


def test_invalid_utf8_passes_through(worker: GroovyWorker, place: Building) -> None:
    text = r"""node {
        sh 'set +x; printf "a\\377\\376b\\n"'
        def out = sh(script: 'printf "\\377x"', returnStdout: true)
        echo "got ${out.size()}"
    }"""
    assert execute(worker, text, place) is Result.SUCCESS
    assert b"a\xff\xfeb\n" in place.kept
    assert "got 2" in place.log


def test_one_long_line_does_not_grow_memory(worker: GroovyWorker, tmp_path: Path) -> None:
    from sandbox.ci.pipeline.local import LocalPlace

    sizes: list[int] = []
    place = LocalPlace(tmp_path / "place", lambda data: sizes.append(len(data)))
    text = "node { sh 'set +x; head -c 100000000 /dev/zero | tr \"\\\\0\" x' }"
    assert execute(worker, text, place) is Result.SUCCESS
    assert sum(sizes) > 100_000_000
    assert max(sizes) <= 1 << 20


def test_a_jenkinsfile_of_a_megabyte(own_worker: GroovyWorker, place: Building) -> None:
    stages = "\n".join(f"stage('s{i}') {{ steps {{ echo \"number {i} ${{{i}}} {'x' * 1000}\" }} }}" for i in range(900))
    text = f"pipeline {{ agent none\nstages {{\n{stages}\n}} }}"
    assert len(text) > 900_000
    assert check(own_worker, text)[1] == []
    assert execute(own_worker, text, place) is Result.SUCCESS
    assert "number 899 899" in place.log


def test_a_matrix_of_256_cells(worker: GroovyWorker, place: Building) -> None:
    axes = "\n".join(f"axis {{ name 'A{i}'\nvalues '0', '1', '2', '3' }}" for i in range(4))
    stage = "stages { stage('x') { steps { echo \"cell ${A0}${A1}${A2}${A3}\" } } }"
    text = f"pipeline {{ agent none\nstages {{ stage('m') {{ matrix {{ axes {{ {axes} }}\n{stage} }} }} }} }}"
    assert execute(worker, text, place) is Result.SUCCESS
    assert sum(f"cell {i // 64}{i // 16 % 4}{i // 4 % 4}{i % 4}\n" in place.log for i in range(256)) == 256


@pytest.mark.parametrize("name", ["../../escape", "snow\u2603man", "x" * 255, "a/b"])
def test_hostile_names_stay_inside(worker: GroovyWorker, place: Building, name: str) -> None:
    there_and_back = f"stash name: '{name}'\ndir('d') {{ unstash '{name}' }}\nassert fileExists('d/f')"
    text = f"node {{ writeFile file: 'f', text: 'x'\n{there_and_back} }}"
    assert execute(worker, text, place) is Result.SUCCESS, place.log
    assert not list(place.folder.parent.parent.rglob("escape*"))


def test_a_file_name_that_is_no_text_is_archived(worker: GroovyWorker, place: Building) -> None:
    text = r"""node { writeFile file: 'x', text: 'x'; sh 'mv x $(printf "bad\\377name")'; archiveArtifacts '*' }"""
    assert execute(worker, text, place) is Result.SUCCESS, place.log
    assert [each.name for each in (place.folder / "artifacts").iterdir()] == ["bad\ufffdname"]


def test_parameters_that_no_program_can_be_given(worker: GroovyWorker, place: Building) -> None:
    place.parameters = {"X=Y": "1", "NUL": "a\0b", "HALF": "\ud83d", "LONG": "x" * 200_000}
    text = "node { withEnv(['LONG=']) { sh 'echo [$HALF]' }\necho params['X=Y']; sh 'true' }"
    assert execute(worker, text, place) is Result.FAILURE
    assert "\n[?]\n" in place.log
    assert "Argument list too long: the largest variable is LONG, 200000 characters" in place.log


def test_a_type_changed_by_a_build_is_itself_again_in_the_next(worker: GroovyWorker, place: Building) -> None:
    assert execute(worker, "String.metaClass.shout = { -> delegate + '!' }\necho 'x'.shout()", place) is Result.SUCCESS
    assert "\nx!\n" in place.log
    assert execute(worker, "'x'.shout()", place) is Result.FAILURE


def test_stopping_while_a_lock_is_waited_for(worker: GroovyWorker, places: Callable[[str], Building]) -> None:
    text = "parallel a: { lock('x') { echo 'got it'; sleep 60 } }, b: { sleep 1; lock('x') { echo 'never' } }"
    build = Background(worker, text, places("a"))
    build.saw("Trying to acquire lock on [Resource: x]")
    build.saw("got it")
    build.run.stop("Aborted by admin")
    assert build.ended() is Result.ABORTED
    assert "never" not in build.place.log
