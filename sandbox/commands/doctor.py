"""`sandbox doctor` and `sandbox preflight`: what this computer has, what it lacks, and the way out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.commands import json_option

if TYPE_CHECKING:
    from sandbox.diagnosis import Finding


@click.command()
@click.option("--fix", is_flag=True, help="Install and start a Docker engine where there is none (Debian, Ubuntu).")
@click.option(
    "--data-root", default="", metavar="FOLDER", help="With --fix: where an engine we start keeps its images."
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, fix: bool, data_root: str, as_json: bool) -> None:
    """Check this computer. Exit code 0: ready, 1: you can fix it, 2: ask someone."""
    from dataclasses import asdict

    from sandbox import diagnosis, host, output

    if fix and "DOCKER_HOST" not in os.environ:
        host.install_engine(output.talk, data_root)
    findings = _examine()
    if as_json:
        output.data([asdict(finding) for finding in findings])
    else:
        _show(findings)
    ctx.exit(diagnosis.severity(findings))


@click.command()
@click.option(
    "--collect",
    type=click.Path(path_type=Path, exists=True, allow_dash=True, dir_okay=False),
    metavar="FILE",
    help="Summarise the lines that attendees pasted; - reads them from standard input.",
)
@json_option
@click.pass_context
def preflight(ctx: click.Context, collect: Path | None, as_json: bool) -> None:
    """Check this computer before a workshop; ends in one line to send.

    Exit code 0: ready, 1: you can fix it, 2: ask your IT.
    """
    from dataclasses import asdict

    from sandbox import diagnosis, output
    from sandbox import preflight as lines

    if collect is None:
        findings = _examine()
        if as_json:
            output.data({"line": lines.line(findings), "findings": [asdict(finding) for finding in findings]})
        else:
            _show(findings)
            click.echo(f"\n{lines.advice(findings)}\nSend this line to your trainer:\n", err=True)
            click.echo(lines.line(findings))
        ctx.exit(diagnosis.severity(findings))
    with click.open_file(str(collect), encoding="utf-8-sig", errors="replace") as file:
        attendees, corrupted = lines.collect(file)
    if as_json:
        output.data({"attendees": [asdict(a) for a in attendees], "corrupted": [asdict(c) for c in corrupted]})
    else:
        rows = [(a.code, a.words, a.computer, a.memory, a.disk, a.engine, a.problems) for a in attendees]
        output.table(("CODE", "VERDICT", "COMPUTER", "MEMORY", "DISK", "ENGINE", "TO DO"), rows)
        click.echo(lines.summary(attendees, corrupted), err=True)
        for bad in corrupted:
            click.echo(f"line {bad.number} is corrupted ({bad.reason}): {bad.text}", err=True)
    ctx.exit(1 if corrupted else max((a.severity for a in attendees), default=0))


def _examine() -> list[Finding]:
    from sandbox import catalogue, diagnosis, resources
    from sandbox.engine import ComposeEngine
    from sandbox.workspace import home

    known = catalogue.read(resources.compose_folder(), resources.configs_folder())
    return diagnosis.examine(known, ComposeEngine(), home(os.environ))


def _show(findings: Sequence[Finding]) -> None:
    from sandbox import output

    rows = [(f.name, "fail" if f.status == "ask" else f.status, f.found, f.fix) for f in findings]
    output.table(("CHECK", "STATUS", "FOUND", "WHAT TO DO"), rows)
