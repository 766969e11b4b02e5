"""Verbs that read a running sandbox: status, open, url, env, ls."""

from __future__ import annotations

import shlex
from typing import Any

import click

from sandbox.commands import Call, json_option


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show the services: state, memory, address, login.

    Exit code 0 when all are ready, else 1.
    """
    from sandbox import output

    report = ctx.obj.sandbox().status()
    if as_json:
        output.data(output.report_as_data(report))
    elif report.services:
        output.report(report)
    else:
        output.talk(f"nothing of the sandbox {report.project} is running: `sandbox up`")
    ctx.exit(0 if report.ready else 1)


@click.command()
@click.argument("service")
@click.argument("endpoint", default="")
@click.pass_obj
def url(call: Call, service: str, endpoint: str) -> None:
    """Print a service's address."""
    click.echo(call.sandbox().url(service, endpoint))


@click.command()
@click.argument("service")
@click.argument("endpoint", default="")
@click.pass_obj
def open(call: Call, service: str, endpoint: str) -> None:
    """Open a service in the browser, and print its address."""
    address = call.sandbox().url(service, endpoint)
    click.echo(address)
    click.launch(address)


@click.command()
@json_option
@click.pass_obj
def env(call: Call, as_json: bool) -> None:
    """Print variables for the shell.

    Take them with: eval "$(sandbox env)"
    """
    from sandbox import output

    variables = call.sandbox().environment()
    if as_json:
        output.data(variables)
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@click.command()
@click.option("--stale", is_flag=True, help="Only those of test runs that have ended without taking them down.")
@json_option
@click.pass_obj
def ls(call: Call, stale: bool, as_json: bool) -> None:
    """List all sandboxes on this computer."""
    import os

    from sandbox import leftovers, output
    from sandbox.engine import ComposeEngine
    from sandbox.workspace import home

    engine = ComposeEngine()
    rows = {name: _row(name, True) for name in leftovers.find(engine, home(os.environ))}
    for state in engine.containers():
        row = rows.setdefault(state.project, _row(state.project, False))
        row["containers"] += 1
        row["running"] += state.state == "running"
        row["folder"] = state.folder
    shown = [row for _, row in sorted(rows.items()) if row["stale"] or not stale]
    if as_json:
        output.data(shown)
        return
    table = [(r["project"], f"{r['running']} of {r['containers']}", "yes" * r["stale"], r["folder"]) for r in shown]
    output.table(("SANDBOX", "RUNNING", "STALE", "FOLDER"), table)


def _row(project: str, stale: bool) -> dict[str, Any]:
    return {"project": project, "containers": 0, "running": 0, "folder": "", "stale": stale}
