"""The verb logs: shows what services print, and sends lines of one's own."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
from collections.abc import Iterator
from typing import IO

import click

from sandbox.commands import Call, DefaultGroup, json_option

LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Ago(click.ParamType[float]):
    """A duration such as 15m, as seconds since the epoch."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"(\d+)([smhd])", str(value))
        if not match:
            self.fail(f"{value!r} is not a duration such as 30s, 15m, 2h or 1d", param, ctx)
        return time.time() - int(match[1]) * UNITS[match[2]]


@click.command(epilog="`sandbox logs send` sends lines of yours into the log store.")
@click.argument("services", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("--since", type=Ago(), metavar="15m", help="Only lines younger than this.")
@click.option("-n", "--tail", type=int, metavar="LINES", help="Only the last lines of each container, or of a search.")
@click.option("--search", metavar="QUERY", help="Search the log store: 'level:error AND service.name:storefront'.")
@json_option
@click.pass_obj
def lines(
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
@click.argument("text", nargs=-1)
@click.option("--file", "source", type=click.File("rb"), metavar="FILE", help="Send a file's lines.")
@click.option("--app", metavar="NAME", default="", help="Whose lines they are (service.name).")
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    metavar="LEVEL",
    help="Their level: trace, debug, info, warning, error or critical.",
)
@json_option
@click.pass_obj
def send(
    call: Call, text: tuple[str, ...], source: IO[bytes] | None, app: str, level: str | None, as_json: bool
) -> None:
    """Send lines into the log store: TEXT, a file's, or those of the standard input.

    Each TEXT is an event. A line of JSON is taken apart, and a trace's lines stay together.
    """
    from sandbox import output

    if text and source:
        raise click.UsageError("send either TEXT or --file, not both")
    if not text and not source and sys.stdin.isatty():
        output.talk("type lines; ^D ends")
    read = iter(text) if text else _lines(source or sys.stdin.buffer)
    count, service = call.sandbox().send_logs(read, app, level or "")
    if as_json:
        output.data({"sent": count, "to": service})
    else:
        output.talk(f"sent {count:,} {'line' if count == 1 else 'lines'} to {service}")


def _lines(source: IO[bytes]) -> Iterator[str]:
    for line in source:
        yield line.decode("utf-8", "replace")


logs = DefaultGroup("logs", lines, {"send": send})
