"""Verbs that read a running sandbox: status, logs, open, url, env, ls."""

from __future__ import annotations

import dataclasses
import re
import shlex
import time
from typing import Any

import click

from sandbox.commands import Call, json_option

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Ago(click.ParamType[float]):
    """A duration such as 15m, as seconds since the epoch."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"(\d+)([smhd])", str(value))
        if not match:
            self.fail(f"{value!r} is not a duration such as 30s, 15m, 2h or 1d", param, ctx)
        return time.time() - int(match[1]) * UNITS[match[2]]


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
@click.argument("services", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("--since", type=Ago(), metavar="15m", help="Only lines younger than this.")
@click.option("-n", "--tail", type=int, metavar="LINES", help="Only the last lines of each container, or of a search.")
@click.option("--search", metavar="QUERY", help="Search the log store: 'level:error AND service.name:storefront'.")
@json_option
@click.pass_obj
def logs(
    call: Call,
    services: tuple[str, ...],
    follow: bool,
    since: float | None,
    tail: int | None,
    search: str | None,
    as_json: bool,
) -> None:
    """Show what the services print (all, unless named)."""
    import json

    from sandbox import output

    colours: dict[str, str] = {}
    if search is not None:
        for found in call.sandbox().search_logs(search, services, follow, since, tail):
            if as_json:
                click.echo(json.dumps(dataclasses.asdict(found)))
            else:
                colour = colours.setdefault(found.service, output.COLOURS[len(colours) % len(output.COLOURS)])
                service = click.style(f"{found.service:<18}", fg=colour)
                click.echo(f"{service} {found.time[:23]} {found.level:<8} {found.message}")
        return
    for line in call.sandbox().logs(services, follow, since, tail):
        if as_json:
            click.echo(json.dumps({"service": line.container, "time": line.time, "message": line.text}))
        else:
            colour = colours.setdefault(line.container, output.COLOURS[len(colours) % len(output.COLOURS)])
            click.echo(f"{click.style(f'{line.container:<18}', fg=colour)} {line.text}")


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
