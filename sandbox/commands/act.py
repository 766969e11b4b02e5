"""Verbs that change a running sandbox: down, exec, restart, reset."""

from __future__ import annotations

import sys

import click

from sandbox.commands import Call

timeout_option = click.option(
    "--timeout", type=int, default=180, metavar="SECONDS", help="How long to wait until ready [180]."
)


@click.command()
@click.option("--volumes", is_flag=True, help="Remove the data, too.")
@click.option("--all", "everything", is_flag=True, help="Every sandbox on this computer.")
@click.option("--stale", is_flag=True, help="What test runs left behind that were killed, with its data.")
@click.pass_obj
def down(call: Call, volumes: bool, everything: bool, stale: bool) -> None:
    """Remove containers and networks; data stays unless --volumes.

    Removed is exactly what carries the sandbox's labels, nothing else.
    """
    import os

    from sandbox import leftovers
    from sandbox.engine import ComposeEngine
    from sandbox.workspace import home

    if stale:
        _tell_removed(leftovers.remove(ComposeEngine(), home(os.environ), call.sandbox().say))
        return
    projects = [call.project_name()]
    if everything:
        projects = sorted({state.project for state in ComposeEngine().containers()})
    count = sum(call.sandbox(project=project).down(volumes) for project in projects)
    _tell_removed(count)


def _tell_removed(count: int) -> None:
    click.echo(f"{count} container{'s' * (count != 1)} removed" if count else "nothing was running", err=True)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("service")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def exec_(ctx: click.Context, service: str, command: tuple[str, ...]) -> None:
    """Run a command in a service's container; its exit code is ours."""
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    ctx.exit(ctx.obj.sandbox().execute(service, command, tty))


@click.command()
@click.argument("services", nargs=-1)
@timeout_option
@click.pass_obj
def restart(call: Call, services: tuple[str, ...], timeout: int) -> None:
    """Restart services (all, unless named) and wait until they are useful."""
    from sandbox import output

    with output.Progress(False) as progress:
        call.sandbox(progress).restart(services, timeout)


@click.command()
@click.argument("services", nargs=-1)
@timeout_option
@click.pass_obj
def reset(call: Call, services: tuple[str, ...], timeout: int) -> None:
    """Fresh data, same services (all, unless named)."""
    from sandbox import output

    with output.Progress(False) as progress:
        call.sandbox(progress).reset(services, timeout)
