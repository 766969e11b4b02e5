"""`sandbox images`: list, pull, build, prune."""

from __future__ import annotations

from typing import Any

import click

from sandbox.commands import Call, json_option, with_settings


@click.group()
def images() -> None:
    """List, pull, build and prune images."""


@images.command("list")
@with_settings
@json_option
@click.pass_obj
def list_(call: Call, /, as_json: bool, **flags: Any) -> None:
    """Show how each image is obtained.

    HOW is present, load, pull, build or impossible; nothing is fetched.
    """
    from sandbox import output

    settings, catalogue = call.settings(flags)
    stack, plans = call.sandbox(project=settings.project).choose(settings, catalogue)
    rows = [(p.service, p.action, p.image, output.megabytes(p.size), p.reason) for p in plans]
    if as_json:
        output.data([dict(zip(("service", "action", "image", "size", "reason"), row, strict=True)) for row in rows])
    else:
        output.table(("SERVICE", "HOW", "IMAGE", "SIZE", "WHY"), rows)
        click.echo(stack.reason, err=True)


@images.command("pull")
@with_settings
@click.pass_obj
def pull(call: Call, /, **flags: Any) -> None:
    """Get every image, start nothing.

    Nothing is built that can be pulled.
    """
    _obtain(call, flags)


@images.command("build")
@with_settings
@click.pass_obj
def build(call: Call, /, **flags: Any) -> None:
    """Build every image that has a recipe."""
    _obtain(call, {**flags, "images": "build"})


def _obtain(call: Call, flags: dict[str, Any]) -> None:
    from sandbox import output

    settings, catalogue = call.settings(flags)
    with output.Progress(False) as progress:
        sandbox = call.sandbox(progress, settings.project)
        _, plans = sandbox.choose(settings, catalogue)
        sandbox.obtain(plans, settings)


@images.command("prune")
@click.pass_obj
def prune(call: Call) -> None:
    """Remove images we built that are out of use.

    Out of use: no recipe of today and no container needs them.
    """
    from sandbox.engine import ComposeEngine
    from sandbox.images import ROOT_BUILT, built_name, find_recipe
    from sandbox.resources import compose_folder

    _, catalogue = call.settings({})
    engine = ComposeEngine()
    recipes = {find_recipe(s, v) for s in catalogue.services.values() for v in s.variables}
    recipes |= {path.parent for path in compose_folder().glob("images/*/Dockerfile")}
    kept = {ROOT_BUILT, *(built_name(r) for r in recipes if r), *(c.image for c in engine.containers())}
    gone = [name for name in engine.recipe_images() if name not in kept]
    for name in gone:
        engine.remove_image(name)
        click.echo(f"removed {name}", err=True)
    click.echo(f"{len(gone)} images removed", err=True)
