"""`sandbox serve-images`: one laptop serves a room."""

from __future__ import annotations

from typing import Any

import click

from sandbox.commands import Call, with_profile

PROJECT = "room"


@click.command()
@click.option("--address", required=True, metavar="IP", help="This laptop's address; it listens there alone.")
@click.option("--port", default=5000, show_default=True, metavar="PORT", help="The registry's port.")
@click.option("--packages-port", default=5001, show_default=True, metavar="PORT", help="The package index's port.")
@with_profile
@click.option("--bundle", metavar="FILE", help="Take images and packages from a bundle.")
@click.pass_obj
def serve_images(call: Call, /, address: str, port: int, packages_port: int, **flags: Any) -> None:
    """Serve a profile's images and the Python packages to a room.

    Prints the one line that attendees type. It is a sandbox of its own, called room:
    `sandbox --project room status`, `logs`, and `down` when the day is over.
    """
    from sandbox import output, room

    project = call.project or PROJECT
    settings, catalogue = call.settings(flags)
    with output.Progress(False) as progress:
        sandbox = call.sandbox(progress, project)
        _, plans = sandbox.choose(settings, catalogue)
        done = sandbox.obtain(plans, settings)
        served = room.serve(sandbox, settings, address, (port, packages_port), done)
    click.echo(served.line)
    click.echo(f"stop it with `sandbox --project {project} down`", err=True)
