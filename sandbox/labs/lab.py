"""Lab: what `sandbox lab` does. Progress and the attendee's files lie in the sandbox's folder, under `labs/`."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import processes
from sandbox.errors import SandboxError, UsageError, did_you_mean
from sandbox.labs import checks
from sandbox.labs.board import Standing
from sandbox.labs.checks import Seen
from sandbox.labs.lessons import Lesson, Step, script
from sandbox.labs.sharing import Sharing
from sandbox.model import Event
from sandbox.sandbox import Sandbox

PROGRESS = "progress.json"
KEPT = "kept"
PAGE = Path("contributions", "lessons", "lesson.json")  # what the console shows
SHARE = "share.json"
PAUSE = 1.0
PATIENCE = 90.0  # seconds that a solution may take to show: alerts and rates look back over a minute


@dataclass
class Progress:
    """How far somebody is: the lesson, its start in seconds since the epoch, steps done, hints given by step."""

    lesson: str
    since: float
    done: list[str] = field(default_factory=list)
    hints: dict[str, int] = field(default_factory=dict)


class Lab:
    """The lessons, in one sandbox."""

    def __init__(self, sandbox: Sandbox, lessons: Mapping[str, Lesson]) -> None:
        self.sandbox, self.lessons = sandbox, lessons
        self.folder = sandbox.workspace.folder / "labs"
        self.sharing = Sharing(self.folder / SHARE)

    # --- where somebody is ----------------------------------------------------------------------

    def progress(self) -> Progress:
        """Raises UsageError when no lesson was started."""
        try:
            found = Progress(**json.loads((self.folder / PROGRESS).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise UsageError("no lesson is started", "`sandbox lab list`, then `sandbox lab start LESSON`") from None
        except (OSError, ValueError, TypeError) as error:
            hint = "`sandbox lab start LESSON` begins again"
            raise SandboxError(f"{self.folder / PROGRESS} cannot be read: {error}", hint) from error
        if found.lesson not in self.lessons:
            raise UsageError(f"there is no lesson {found.lesson} any more", "`sandbox lab list`")
        return found

    def current(self) -> tuple[Lesson, Progress, Step | None]:
        """The lesson, the progress, and the first step that is not done; None at the end."""
        progress = self.progress()
        lesson = self.lessons[progress.lesson]
        return lesson, progress, next((step for step in lesson.steps if step.name not in progress.done), None)

    def work(self, lesson: Lesson) -> Path:
        """The folder for the attendee's files."""
        return self.folder / lesson.name

    def _save(self, progress: Progress) -> None:
        _write(self.folder / PROGRESS, vars(progress))
        _write(self.sandbox.workspace.folder / PAGE, self._page(progress))
        if wrong := self.sharing.tell(self.standing()):  # a board that is away stops nobody from learning
            self.sandbox.say(Event("warning", text=wrong))

    def _page(self, progress: Progress) -> dict[str, object]:
        lesson, _, current = self.current()
        steps = [
            {
                "name": step.name,
                "title": step.title,
                "text": step.text,
                "done": step.name in progress.done,
                "hints": step.hints[: progress.hints.get(step.name, 0)],
            }
            for step in lesson.steps
        ]
        about = {"name": lesson.name, "title": lesson.title, "intro": lesson.intro, "minutes": lesson.minutes}
        return {**about, "current": current.name if current else None, "steps": steps}

    def standing(self) -> Standing:
        """What the trainer's board is told, if it is told anything."""
        if not (self.folder / PROGRESS).exists():
            return Standing("none yet")
        lesson, progress, step = self.current()
        current = step.name if step else ""
        return Standing(lesson.name, len(progress.done), len(lesson.steps), current, sum(progress.hints.values()))

    # --- verbs ----------------------------------------------------------------------------------

    def start(self, name: str) -> Lesson:
        """Puts the sandbox into a lesson's first state; what the lesson before it did is taken back.

        Raises if a service it needs does not run.
        """
        if name not in self.lessons:
            raise UsageError(f"there is no lesson {name}{did_you_mean(name, self.lessons)}", "`sandbox lab list`")
        lesson = self.lessons[name]
        running = {state.service for state in self.sandbox.engine.containers(self.sandbox.project)}
        if missing := [service for service in lesson.needs if service not in running]:
            raise SandboxError(f"{name} needs {', '.join(missing)}", "`sandbox up --profile lite`")
        if missing := [program for program in lesson.programs if not processes.have(program)]:
            raise SandboxError(f"{name} needs {', '.join(missing)}, not installed here", "`sandbox lab list`")
        self._clean_before(lesson)
        self.clean(lesson)
        with _writing(self.work(lesson)):
            self.work(lesson).mkdir(parents=True, exist_ok=True)
        self._run(lesson, "setup.sh")
        self._save(Progress(name, time.time()))
        return lesson

    def _clean_before(self, following: Lesson) -> None:
        """Another lesson may be under way. What it did is in the way only if its services are still there."""
        try:
            lesson = self.current()[0]
        except SandboxError:
            return
        try:
            if lesson != following:
                self.clean(lesson)
        except SandboxError as error:
            self.sandbox.say(Event("warning", text=f"{lesson.name} could not be taken back: {error.message}"))

    def reset(self) -> Lesson:
        """The current lesson from its beginning: progress is gone, files are put aside."""
        return self.start(self.progress().lesson)

    def clean(self, lesson: Lesson) -> None:
        """Takes back what a lesson did to the sandbox. The attendee's files are put aside."""
        for path in (self.folder / PROGRESS, self.sandbox.workspace.folder / PAGE):
            with _writing(path):
                path.unlink(missing_ok=True)
        self._run(lesson, "clean.sh")
        self._put_aside(self.work(lesson))

    def _put_aside(self, work: Path) -> None:
        if not work.is_dir() or not any(work.iterdir()):
            return
        now = time.strftime("%Y-%m-%d-%H%M%S")
        names = (f"{now}-{number}" if number else now for number in itertools.count())
        kept = next(folder for name in names if not (folder := self.folder / KEPT / name / work.name).exists())
        with _writing(kept):
            kept.parent.mkdir(parents=True, exist_ok=True)
            work.rename(kept)
        self.sandbox.say(Event("notice", text=f"your files of {work.name} are kept in {kept}"))

    def check(self, name: str = "", patience: float = 0.0) -> tuple[Step, list[Seen]]:
        """A step's checks (the current one, unless named), asked again for up to `patience` seconds."""
        lesson, progress, step = self.current()
        if name:
            step = lesson.step(name)
        if step is None:
            raise UsageError(f"{lesson.name} is finished", "`sandbox lab reset` begins it again")
        deadline = time.monotonic() + patience
        while True:
            seen = checks.ask(step, self.sandbox, self.work(lesson), progress.since)
            passed = all(item.passed for item in seen)
            if passed or time.monotonic() >= deadline:
                break
            time.sleep(PAUSE)
        if passed and step.name not in progress.done:
            progress.done.append(step.name)
            self._save(progress)
        return step, seen

    def hint(self) -> tuple[str, int]:
        """The next hint for the current step, and how many are left; the last one is repeated."""
        lesson, progress, step = self.current()
        if step is None or not step.hints:
            raise UsageError(f"{lesson.name} has no hint here", "`sandbox lab solve` shows how it is done")
        given = min(progress.hints.get(step.name, 0), len(step.hints) - 1)
        progress.hints[step.name] = given + 1
        self._save(progress)
        return step.hints[given], len(step.hints) - given - 1

    def solution(self, name: str = "") -> tuple[Step, str]:
        """A step and the script that solves it."""
        lesson, _, step = self.current()
        step = lesson.step(name) if name else step
        if step is None:
            raise UsageError(f"{lesson.name} is finished", "`sandbox lab reset` begins it again")
        return step, script(lesson.folder / "solve" / f"{step.name}.sh")

    def solve(self, name: str = "") -> tuple[Step, list[Seen]]:
        """Runs a step's solution, and waits until its checks agree."""
        step, _ = self.solution(name)
        self._run(self.lessons[self.progress().lesson], f"solve/{step.name}.sh")
        return self.check(step.name, PATIENCE)

    def goto(self, name: str) -> Step:
        """Step `name` with all earlier ones solved; their checks are not waited for.

        A lesson may have a quicker way there than the solution: `goto/<step>.sh`.
        """
        lesson = self.lessons[self.progress().lesson]
        target = lesson.step(name)
        self.start(lesson.name)
        progress = self.progress()
        for step in lesson.steps[: lesson.steps.index(target)]:
            self.sandbox.say(Event("notice", text=f"solving {step.name}"))
            quick = f"goto/{step.name}.sh"
            self._run(lesson, quick if (lesson.folder / quick).is_file() else f"solve/{step.name}.sh")
            progress.done.append(step.name)
            self._save(progress)
        return target

    def _run(self, lesson: Lesson, name: str) -> None:
        path = lesson.folder / name
        if not path.is_file():
            return
        if not processes.have("sh"):
            raise SandboxError("lessons need `sh`", "on Windows, work inside WSL")
        folder = self.sandbox.workspace.folder
        environment = {
            **self.sandbox.environment(),
            "SANDBOX_PROJECT": self.sandbox.project,
            "SANDBOX_HOME": str(folder.parent),
            "FOLDER": str(folder),
        }
        work = self.work(lesson)
        with tempfile.TemporaryDirectory() as place:
            ourselves = Path(place) / "sandbox"
            ourselves.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m sandbox "$@"\n', encoding="utf-8")
            ourselves.chmod(0o755)
            environment["PATH"] = os.pathsep.join([place, os.environ["PATH"]])
            environment["WORK"] = str(work) if work.is_dir() else place
            whole = Path(place) / path.name
            whole.write_text(f'set -eu\ncd "$WORK"\n{script(path)}', encoding="utf-8", newline="\n")
            processes.run(["sh", str(whole)], f"{lesson.name}/{name}", env=environment)


def _write(path: Path, data: Mapping[str, object]) -> None:
    """Whole or not at all."""
    half = path.with_name(f"{path.name}.half")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(json.dumps(data, indent=1), encoding="utf-8")
        half.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "is the disk full, or was the folder made with sudo? `ls -l` says whose it is"
        raise SandboxError(f"{path} cannot be written: {error.strerror or error}", hint) from error
