"""Verbs for working with the running services as an operator does: fault, traffic, alerts, scale, terraform."""

from __future__ import annotations

import click

from sandbox.commands import Call, json_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND…")
@click.pass_context
def terraform(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run Terraform on the shop's configuration, against the sandbox's AWS; its state stays in the sandbox's folder.

    `sandbox terraform init`, `plan`, `apply`, `destroy` and all others are Terraform's own. `sandbox terraform adopt`
    takes what `sandbox up` made into the state, after which a plan has nothing to do.
    """
    from sandbox import output

    tool = ctx.obj.sandbox().terraform()
    if arguments == ("adopt",):
        output.talk(f"{tool.adopt()} resources are in Terraform's state: `sandbox terraform plan`")
    else:
        ctx.exit(tool.run(arguments))
