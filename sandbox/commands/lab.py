"""`sandbox lab`: lessons to work through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sandbox.commands import Call, json_option

if TYPE_CHECKING:
    from sandbox.labs.checks import Seen
    from sandbox.labs.lab import Lab
    from sandbox.labs.lessons import Lesson, Step


@click.group()
def lab() -> None:
    """Lessons to work through in a running sandbox."""


def _lab(call: Call) -> Lab:
    from sandbox.labs.lab import Lab
    from sandbox.labs.lessons import read_all
    from sandbox.resources import labs_folder

    return Lab(call.sandbox(), read_all(labs_folder()))


@lab.command("list")
@json_option
@click.pass_obj
def list_(call: Call, as_json: bool) -> None:
    """List the lessons."""
    from sandbox import output

    lessons = _lab(call).lessons.values()
    if as_json:
        keys = ("name", "title", "summary", "minutes", "steps")
        output.data([dict(zip(keys, (*_row(x), [step.name for step in x.steps]), strict=True)) for x in lessons])
    else:
        rows = [(x.name, f"{x.minutes} min", str(len(x.steps)), x.summary) for x in lessons]
        output.table(("LESSON", "TIME", "STEPS", "WHAT IT TEACHES"), rows)


def _row(lesson: Lesson) -> tuple[str, str, str, int]:
    return lesson.name, lesson.title, lesson.summary, lesson.minutes


@lab.command("start")
@click.argument("lesson")
@click.pass_obj
def start(call: Call, lesson: str) -> None:
    """Start a lesson, from its beginning."""
    from sandbox import output

    here = _lab(call)
    found = here.start(lesson)
    output.markdown(f"# {found.title}\n\n{found.intro}")
    click.echo(f"\nYour files for this lesson go into {here.work(found)}\n", err=True)
    _show(found, found.steps[0])


@lab.command("status")
@json_option
@click.pass_obj
def status(call: Call, as_json: bool) -> None:
    """Show the lesson, what is done, and the step to do."""
    from sandbox import output

    here = _lab(call)
    lesson, progress, step = here.current()
    if as_json:
        output.data(
            {
                "lesson": lesson.name,
                "steps": [{"name": s.name, "title": s.title, "done": s.name in progress.done} for s in lesson.steps],
                "current": step.name if step else None,
                "hints": progress.hints,
                "board": here.sharing.url or None,
                "folder": str(here.work(lesson)),
            }
        )
        return
    rows = [(s.name, "done" if s.name in progress.done else "", s.title) for s in lesson.steps]
    output.table(("STEP", "", lesson.title.upper()), rows)
    if step:
        _show(lesson, step)


@lab.command("check")
@click.argument("step", default="")
@click.pass_context
def check(ctx: click.Context, step: str) -> None:
    """Check the current step, or STEP, and say what was seen.

    Exit code 0 when it is done, else 1.
    """
    here = _lab(ctx.obj)
    found, seen = here.check(step)
    ctx.exit(_result(here, found, seen))


@lab.command("hint")
@click.pass_obj
def hint(call: Call) -> None:
    """Give the next hint for the current step."""
    text, left = _lab(call).hint()
    click.echo(text)
    click.echo(f"{left} more hints" if left else "that was the last one: `sandbox lab solve` does the step", err=True)


@lab.command("solve")
@click.argument("step", default="")
@click.option("--show", is_flag=True, help="Print the solution, change nothing.")
@click.pass_context
def solve(ctx: click.Context, step: str, show: bool) -> None:
    """Do the current step, or STEP, and show how."""
    here = _lab(ctx.obj)
    _, text = here.solution(step)
    click.echo(text)
    if not show:
        ctx.exit(_result(here, *here.solve(step)))


@lab.command("reset")
@click.pass_obj
def reset(call: Call) -> None:
    """Begin the current lesson again."""
    lesson = _lab(call).reset()
    click.echo(f"{lesson.name} begins again", err=True)
    _show(lesson, lesson.steps[0])


@lab.command("goto")
@click.argument("step")
@click.pass_obj
def goto(call: Call, step: str) -> None:
    """Go to STEP, a name or a number, with all before it done."""
    here = _lab(call)
    found = here.goto(step)
    _show(here.current()[0], found)


@lab.command("board")
@click.option("--address", required=True, metavar="IP", help="This laptop's address; it listens there alone.")
@click.option("--port", default=5002, show_default=True, metavar="PORT", help="The board's port.")
def board(address: str, port: int) -> None:
    """Show on the trainer's laptop how far everybody is, until ^C.

    Prints the one line that attendees type if they want to be seen.
    """
    from sandbox import host
    from sandbox.labs.board import Board

    host.own_address(address)
    shown = Board(address, port)
    click.echo(shown.line)
    click.echo(f"the board: {shown.url}/ (^C ends it)", err=True)
    shown.serve()


@lab.command("share")
@click.argument("url", default="")
@click.option("--name", metavar="NAME", help="The name to be seen under.")
@click.option("--stop", is_flag=True, help="Share no more.")
@click.pass_obj
def share(call: Call, url: str, name: str | None, stop: bool) -> None:
    """Let the trainer's board at URL see your progress.

    It is told a name of your choice, the lesson, the steps that are done and the number of hints.
    """
    here = _lab(call)
    if stop:
        here.sharing.end()
        click.echo("progress is shared no more", err=True)
    elif url and name:
        here.sharing.begin(url, name, here.standing())
        click.echo(f"{here.sharing.url} sees your progress as {name}; `sandbox lab share --stop` ends it", err=True)
    else:
        raise click.UsageError("give the board's URL and --name NAME, or --stop")


def _show(lesson: Lesson, step: Step) -> None:
    from sandbox import output

    output.markdown(f"## {lesson.steps.index(step) + 1}. {step.title}\n\n{step.text}")
    click.echo("\nthen: `sandbox lab check`, or `sandbox lab hint`", err=True)


def _result(here: Lab, step: Step, seen: Sequence[Seen]) -> int:
    for item in seen:
        mark = click.style("✓", fg="green") if item.passed else click.style("✗", fg="red")
        click.echo(f"{mark} {item.wanted}\n    {item.saw}")
    if not all(item.passed for item in seen):
        return 1
    lesson, _, following = here.current()
    click.echo(f"\n{step.name} is done", err=True)
    if following:
        _show(lesson, following)
    else:
        click.echo(f"{lesson.title}: all done", err=True)
    return 0
