"""`sandbox up` and `sandbox render`."""

from __future__ import annotations

from typing import Any

import click

from sandbox.commands import Call, json_option, with_settings


@click.command()
@with_settings
@json_option
@click.pass_obj
def up(call: Call, /, as_json: bool, **flags: Any) -> None:
    """Bring the sandbox up and wait until it is useful.

    SERVICES names what to run instead of a profile. With --json, events are printed one a line.
    """
    from sandbox import output
    from sandbox.model import Event

    settings, catalogue = call.settings(flags)
    with output.Progress(as_json) as progress:
        report = call.sandbox(progress, settings.project).up(settings, catalogue)
        if as_json:
            progress(Event("done", report.project, "ready"))
    if not as_json:
        output.report(report)
        pages = [service.name for service in report.services if service.url]
        pages.sort(key=lambda name: catalogue.services[name].group != "apps")
        opening = [f"`sandbox open {pages[0]}`"] if pages else []
        print("next: " + ", ".join([*opening, '`eval "$(sandbox env)"`', "`sandbox logs -f`", "`sandbox down`"]))


@click.command()
@with_settings
@click.pass_obj
def render(call: Call, /, **flags: Any) -> None:
    """Write the sandbox's folder without starting anything, and print its path."""
    from sandbox.catalogue import AUTO, choose

    settings, catalogue = call.settings(flags)
    sandbox = call.sandbox(project=settings.project)
    profile = "lite" if settings.profile == AUTO else settings.profile
    stack = choose(catalogue, settings.services, profile, settings.without)
    with sandbox.workspace.locked(lambda: None):
        previous = sandbox.workspace.previous_values()
        images = {n: v for n, v in previous.items() if n.endswith("_IMAGE") and n in stack.variables}
        sandbox.workspace.write(sandbox.rendering(settings, stack, images, ports=False))
    click.echo(sandbox.workspace.folder)
