"""`sandbox doctor`: what this computer has, what it lacks, and the way out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from sandbox.commands import json_option

if TYPE_CHECKING:
    from sandbox.catalogue import Catalogue

WORST = {"ok": 0, "warn": 0, "fail": 1, "ask": 2}


@click.command()
@click.option("--fix", is_flag=True, help="Install and start a Docker engine where there is none (Debian, Ubuntu).")
@click.option(
    "--data-root", default="", metavar="FOLDER", help="With --fix: where an engine we start keeps its images."
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, fix: bool, data_root: str, as_json: bool) -> None:
    """Check this computer. Exit code 0: ready, 1: you can fix it, 2: ask someone."""
    from sandbox import catalogue, host, output, resources

    if fix and "DOCKER_HOST" not in os.environ:
        host.install_engine(output.talk, data_root)
    rows = _checks(catalogue.read(resources.compose_folder(), resources.configs_folder()))
    if as_json:
        output.data([dict(zip(("name", "status", "found", "fix"), row, strict=True)) for row in rows])
    else:
        output.table(
            ("CHECK", "STATUS", "FOUND", "WHAT TO DO"), [(n, "fail" if s == "ask" else s, f, x) for n, s, f, x in rows]
        )
    ctx.exit(max(WORST[row[1]] for row in rows))


def _checks(catalogue: Catalogue) -> list[tuple[str, str, str, str]]:
    import platform

    from sandbox import __version__, host
    from sandbox.engine import ComposeEngine
    from sandbox.errors import SandboxError
    from sandbox.sandbox import DISK_RESERVE

    rows = [
        ("sandbox", "ok", f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}", "")
    ]
    engine = ComposeEngine()
    try:
        info = engine.info()
    except SandboxError as error:
        fixable = host.is_root() or "group" in error.hint
        return [
            *rows,
            (
                "engine",
                "fail" if fixable else "ask",
                error.message,
                "sandbox doctor --fix (as root), or start Docker Desktop",
            ),
        ]

    def version(name: str, found: str, least: tuple[int, int]) -> tuple[str, str, str, str]:
        numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:2] if part.isdecimal())
        wanted = ".".join(map(str, least))
        good = numbers >= least
        return (
            name,
            "ok" if good else "fail",
            found or "not there",
            "" if good else f"install {name} {wanted} or newer",
        )

    rows += [
        version("engine", info.version, (25, 0)),
        version("compose", engine.plugin_version("compose"), (2, 20)),
        version("buildx", engine.plugin_version("buildx"), (0, 12)),
    ]
    gigabytes = info.memory / 1024**3
    enough = gigabytes >= 2
    rows.append(
        (
            "memory",
            "ok" if enough else "warn",
            f"{gigabytes:.1f} GB for Docker, {info.cpus} CPUs",
            "" if enough else "give Docker at least 2 GB",
        )
    )
    free = host.free_disk(info.root)
    status = "fail" if free < DISK_RESERVE else "ok" if free > 4 * 1024**3 else "warn"
    rows.append(
        (
            "disk",
            status,
            f"{free / 1024**3:.1f} GB free",
            "" if status == "ok" else "free some space; `docker system df`",
        )
    )
    published = {
        port.default for service in catalogue.services.values() for c in service.containers for port in c.ports
    }
    taken = [port for port in sorted(published) if not host.port_is_free(port)]
    rows.append(
        (
            "ports",
            "ok",
            f"in use: {', '.join(map(str, taken))}" if taken else "free",
            "`sandbox up` moves to free ports" if taken else "",
        )
    )
    settings = sorted({name.upper() for name in host.proxies()}) or ["none"]
    rows.append(("proxy", "ok", ", ".join(settings), ""))
    return rows
