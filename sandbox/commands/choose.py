"""What can be chosen, and what was: services, profiles, config, completion."""

from __future__ import annotations

from typing import Any

import click

from sandbox.commands import Call, json_option, with_settings


@click.command()
@json_option
@click.pass_obj
def services(call: Call, as_json: bool) -> None:
    """List the services there are."""
    from sandbox import output

    _, catalogue = call.settings({})
    rows = [
        {"name": s.name, "group": s.group, "profiles": s.profiles, "needs": s.needs, "summary": s.summary}
        for s in catalogue.services.values()
    ]
    if as_json:
        output.data(rows)
    else:
        shown = [(str(r["name"]), str(r["group"]), " ".join(r["profiles"]), str(r["summary"])) for r in rows]
        output.table(("SERVICE", "GROUP", "PROFILES", "WHAT IT IS FOR"), shown)


@click.command()
@json_option
@click.pass_obj
def profiles(call: Call, as_json: bool) -> None:
    """List the profiles and what is in them."""
    from sandbox import output

    _, catalogue = call.settings({})
    if as_json:
        output.data(catalogue.profiles)
    else:
        output.table(("PROFILE", "SERVICES"), [(name, ", ".join(has)) for name, has in catalogue.profiles.items()])


@click.command()
@with_settings
@json_option
@click.pass_obj
def config(call: Call, /, as_json: bool, **flags: Any) -> None:
    """Show every setting, its value and where it came from."""
    from sandbox import output
    from sandbox.settings import OPTIONS

    settings, catalogue = call.settings(flags)
    rows = [(name, getattr(settings, name), settings.origins[name]) for name in OPTIONS]
    for name, variable in sorted(catalogue.variables.items()):
        chosen = settings.values.get(name)
        rows.append((name, chosen.value if chosen else variable.default, chosen.origin if chosen else "default"))
    if as_json:
        output.data([{"name": n, "value": v, "origin": o} for n, v, o in rows])
    else:
        output.table(("SETTING", "VALUE", "FROM"), [(n, _shown(v), o) for n, v, o in rows])


def _shown(value: object) -> str:
    if value is None:
        return "(generated)"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell completion script.

    \b
    bash, zsh:  eval "$(sandbox completion bash)"
    fish:       sandbox completion fish | source
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "sandbox", "_SANDBOX_COMPLETE").source())
