"""`sandbox snapshot`: save, restore, list, delete."""

from __future__ import annotations

import os

import click

from sandbox.commands import Call, json_option
from sandbox.commands.act import timeout_option


@click.group()
def snapshot() -> None:
    """Save, restore, list and delete the data of a sandbox."""


@snapshot.command()
@click.argument("name")
@timeout_option
@click.pass_obj
def save(call: Call, name: str, timeout: int) -> None:
    """Save the running sandbox's data.

    Its services stand still meanwhile. A snapshot of that name is replaced.
    """
    from sandbox import output, snapshots

    saved = snapshots.save(call.sandbox(), name, timeout)
    for service in saved.lost:
        output.talk(f"warning: the state of {service} is not in it: {service} keeps nothing when it stops")
    output.talk(f"saved {name}: {len(saved.volumes)} volumes, {output.megabytes(saved.size) or '0 MB'}")


@snapshot.command()
@click.argument("name")
@timeout_option
@click.pass_obj
def restore(call: Call, name: str, timeout: int) -> None:
    """Go back to a snapshot's data.

    It takes the place of the running sandbox's, which is waited for until it is useful.
    """
    from sandbox import output, snapshots

    restored = snapshots.restore(call.sandbox(), name, timeout)
    output.talk(f"restored {name}, saved {restored.saved}")


@snapshot.command("list")
@json_option
@click.pass_obj
def list_(call: Call, as_json: bool) -> None:
    """List the snapshots on this computer."""
    from dataclasses import asdict

    from sandbox import output, snapshots
    from sandbox.workspace import home

    found = snapshots.Store(home(os.environ)).list()
    if as_json:
        rows = [{**asdict(one), "size": one.size} for one in found]
        output.data([{key: value for key, value in row.items() if key != "secrets"} for row in rows])
    else:
        shown = [(one.name, one.project, one.saved, output.megabytes(one.size), ", ".join(one.images)) for one in found]
        output.table(("SNAPSHOT", "SANDBOX", "SAVED", "SIZE", "SERVICES"), shown)


@snapshot.command()
@click.argument("name")
@click.pass_obj
def delete(call: Call, name: str) -> None:
    """Delete a snapshot."""
    from sandbox import output, snapshots
    from sandbox.workspace import home

    snapshots.Store(home(os.environ)).delete(name)
    output.talk(f"deleted {name}")
