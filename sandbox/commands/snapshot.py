"""`sandbox snapshot`: save, restore, list, delete."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from sandbox.commands import Call, json_option
from sandbox.commands.act import timeout_option

if TYPE_CHECKING:
    from sandbox.snapshots import Snapshot


@click.group()
def snapshot() -> None:
    """Save, restore, list and delete the data of a sandbox."""


@snapshot.command()
@click.argument("name")
@timeout_option
@json_option
@click.pass_obj
def save(call: Call, name: str, timeout: int, as_json: bool) -> None:
    """Save the running sandbox's data.

    Its services stand still meanwhile. A snapshot of that name is replaced.
    """
    from sandbox import output, snapshots

    saved = snapshots.save(call.sandbox(), name, timeout)
    for service in saved.lost:
        output.talk(f"warning: the state of {service} is not in it: {service} keeps nothing when it stops")
    if as_json:
        output.data(_row(saved))
    output.talk(f"saved {name}: {len(saved.volumes)} volumes, {output.megabytes(saved.size) or '0 MB'}")


@snapshot.command()
@click.argument("name")
@timeout_option
@json_option
@click.pass_obj
def restore(call: Call, name: str, timeout: int, as_json: bool) -> None:
    """Go back to a snapshot's data.

    It takes the place of the running sandbox's, which is waited for until it is useful.
    """
    from sandbox import output, snapshots

    restored = snapshots.restore(call.sandbox(), name, timeout)
    if as_json:
        output.data(_row(restored))
    output.talk(f"restored {name}, saved {restored.saved}")


@snapshot.command("list")
@json_option
@click.pass_obj
def list_(call: Call, as_json: bool) -> None:
    """List the snapshots on this computer.

    Those that cannot be restored are warned of.
    """
    from sandbox import output, snapshots
    from sandbox.workspace import home

    found, wrong = snapshots.Store(home(os.environ)).list()
    for error in wrong.values():
        output.talk(f"warning: {error.message}; {error.hint}")
    if as_json:
        output.data([_row(one) for one in found])
    else:
        shown = [(one.name, one.project, one.saved, output.megabytes(one.size), ", ".join(one.images)) for one in found]
        output.table(("SNAPSHOT", "SANDBOX", "SAVED", "SIZE", "SERVICES"), shown)


@snapshot.command()
@click.argument("name")
@json_option
@click.pass_obj
def delete(call: Call, name: str, as_json: bool) -> None:
    """Delete a snapshot."""
    from sandbox import output, snapshots
    from sandbox.workspace import home

    snapshots.Store(home(os.environ)).delete(name)
    if as_json:
        output.data({"name": name, "deleted": True})
    output.talk(f"deleted {name}")


def _row(snapshot: Snapshot) -> dict[str, Any]:
    """What others may know of it: all but the passwords."""
    from dataclasses import asdict

    return {key: value for key, value in asdict(snapshot).items() if key != "secrets"} | {"size": snapshot.size}
