"""Verbs for working with the running services as an operator does: fault, traffic, alerts, scale, terraform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sandbox.commands import Call, json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.demo import Story
    from sandbox.model import FaultState


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND…")
@click.pass_context
def terraform(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run Terraform against the sandbox's AWS.

    It works on the shop's configuration; its state stays in the sandbox's folder.

    `sandbox terraform init`, `plan`, `apply`, `destroy` and all others are Terraform's own. The first `init` takes what
    `sandbox up` made into the state, after which a plan has nothing to do; `sandbox terraform adopt` does so again.
    Where Terraform is not installed, its image is used.
    """
    from sandbox import output

    settings, _ = ctx.obj.settings({})
    tool = ctx.obj.sandbox(project=settings.project).terraform(settings.registry)
    if arguments == ("adopt",):
        output.talk(f"{tool.adopt()} resources are in Terraform's state: `sandbox terraform plan`")
    else:
        ctx.exit(tool.run(arguments))


@click.group()
def fault() -> None:
    """Break the sample applications on purpose.

    Metrics, logs and alerts show it; they are mended at once.
    """


@fault.command("list")
@json_option
@click.pass_obj
def list_(call: Call, as_json: bool) -> None:
    """List the faults there are, and which are on."""
    from sandbox import output

    states = call.sandbox().faults()
    if as_json:
        fields = ("name", "summary", "unit", "alert")
        output.data(
            [{"service": s.service, "amount": s.amount, **{f: getattr(s.fault, f) for f in fields}} for s in states]
        )
    else:
        rows = [(s.fault.name, s.service, _amount(s), s.fault.summary, s.fault.alert) for s in states]
        output.table(("FAULT", "SERVICE", "NOW", "WHAT IT DOES", "ALERT"), rows)


def _amount(state: FaultState) -> str:
    return f"{state.amount:g} {state.fault.unit}" if state.amount else "off"


@fault.command()
@click.argument("name")
@click.argument("service", default="")
@click.option("--amount", type=float, metavar="NUMBER", help="How much; each fault has a usual amount.")
@click.option("--on", "container", default="", metavar="CONTAINER", help="Only there, such as storefront-canary.")
@click.pass_obj
def inject(call: Call, name: str, service: str, amount: float | None, container: str) -> None:
    """Switch a fault on."""
    from sandbox import output

    state = call.sandbox().inject(name, service, amount, container)
    output.talk(f"{state.service}: {name} {_amount(state)}. {state.fault.summary}")
    output.talk(f"look: `sandbox logs {state.service}`, `sandbox alerts` ({state.fault.alert}); `sandbox fault clear`")


@fault.command()
@click.argument("name", default="")
@click.argument("service", default="")
@click.pass_obj
def clear(call: Call, name: str, service: str) -> None:
    """Switch faults off (all, unless named)."""
    call.sandbox().clear(name, service)


@click.command()
@click.argument("rate", type=float, required=False)
@click.option(
    "--shape",
    type=click.Choice(["steady", "day"]),
    default="steady",
    metavar="steady|day",
    help="Always the same, or like a day.",
)
@json_option
@click.pass_obj
def traffic(call: Call, rate: float | None, shape: str, as_json: bool) -> None:
    """Set how many requests a second the shoppers make.

    Without RATE, show it. A day takes ten minutes.
    """
    import json

    from sandbox import output

    wanted = [] if rate is None else [f"{rate:g}", shape]
    (answer, *_) = call.sandbox().ask("traffic", ["python3", "rate.py", *wanted])
    told = json.loads(answer)
    if as_json:
        output.data(told)
    else:
        click.echo(f"{told['rate']:g} requests a second, {told['shape']} (now {told['now']:g})")


@click.command()
@click.option("--firing", is_flag=True, help="Only those that are not over. Exit code 1 if there are any.")
@json_option
@click.pass_context
def alerts(ctx: click.Context, firing: bool, as_json: bool) -> None:
    """Show the alerts that reached the inbox, the newest first."""
    import json

    from sandbox import output

    (answer, *_) = ctx.obj.sandbox().ask("inbox", ["python3", "inbox.py", "list"])
    found = [a for a in json.loads(answer)["alerts"] if not firing or a["state"] == "firing"]
    if as_json:
        output.data(found)
    elif found:
        rows = [(a["state"], a["since"][:19], a["name"], a["severity"], a["summary"]) for a in found]
        output.table(("STATE", "SINCE (UTC)", "ALERT", "SEVERITY", "WHAT IT SAYS"), rows)
    else:
        output.talk("no alerts")
    ctx.exit(1 if firing and found else 0)


@click.command()
@json_option
@click.pass_context
def demo(ctx: click.Context, as_json: bool) -> None:
    """Tell the delivery story: a good change is promoted, a bad one rolled back.

    Both are pushed to the shop's repository under load, and go through its pipeline. It takes about a minute and a
    half. Exit code 0 only if both ended as they should, and no request failed beyond the canary's share.
    """
    from dataclasses import asdict

    from sandbox import output
    from sandbox.demo import tell

    sandbox = ctx.obj.sandbox()
    story = tell(sandbox, output.talk if as_json else click.echo)
    if as_json:
        output.data({"ok": story.ok, "seconds": story.seconds, "good": asdict(story.good), "bad": asdict(story.bad)})
    else:
        _ending(story, {service.name: service.url for service in sandbox.status().services})
    ctx.exit(0 if story.ok else 1)


def _ending(story: Story, urls: Mapping[str, str]) -> None:
    good, bad = story.good, story.bad
    click.echo(f"\n{'As it should be' if story.ok else 'Not as it should be'}, after {story.seconds:.0f} s:")
    click.echo(f"  good: {good.outcome} after {good.seconds:.0f} s; {good.failed} of {good.requests} requests failed")
    share = f"{bad.failed / bad.requests:.1%}" if bad.requests else "none"
    taken = f" {bad.rollback_seconds:.0f} s after its first request" if bad.rollback_seconds is not None else ""
    click.echo(f"  bad:  {bad.outcome}{taken}; {bad.failed} of {bad.requests} requests failed ({share})")
    if bad.reason:
        click.echo(f"        {bad.reason}")
    click.echo("Look:")
    click.echo(f"  {bad.url}  the build that failed; {good.url} the other")
    if urls.get("console"):
        click.echo(f"  {urls['console']}  Delivery, and the dashboard of that name")
    click.echo("  `sandbox alerts` has both notices; `sandbox logs storefront` each decision")
    click.echo("  the bad commit is still the last of the repository shop: the next demo reverts it, or you do")


class Replicas(click.ParamType[tuple[str, int]]):
    """`storefront=4`."""

    name = "replicas"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        from sandbox.settings import MOST_REPLICAS

        service, _, count = str(value).partition("=")
        if not service or not count.isdecimal() or not 1 <= int(count) <= MOST_REPLICAS:
            self.fail(f"{value!r} is not like storefront=4 (1 to {MOST_REPLICAS})", param, ctx)
        return service, int(count)


@click.command()
@click.argument("wanted", type=Replicas(), metavar="SERVICE=COUNT")
@click.option("--timeout", type=int, default=180, metavar="SECONDS", help="How long to wait until ready.")
@click.pass_obj
def scale(call: Call, wanted: tuple[str, int], timeout: int) -> None:
    """Set how many containers a service runs on.

    While it runs: sandbox scale storefront=4
    """
    from sandbox import output

    with output.Progress(False) as progress:
        call.sandbox(progress).scale(*wanted, timeout)


@click.command()
@click.argument("service", default="storefront")
@click.option("--target", type=float, metavar="RATE", help="Requests a second for one container [20].")
@click.option("--latency", type=float, metavar="MS", help="Or: 95 of 100 requests take at most so many ms.")
@click.option("--min", "least", type=int, default=1, metavar="COUNT", help="Containers at least [1].")
@click.option("--max", "most", type=int, default=4, metavar="COUNT", help="Containers at most [4].")
@click.option("--cooldown", type=float, default=30, metavar="SECONDS", help="Rest after a change [30].")
@click.option("--timeout", type=int, default=180, metavar="SECONDS", help="How long to wait until ready.")
@click.pass_obj
def autoscale(
    call: Call,
    service: str,
    target: float | None,
    latency: float | None,
    least: int,
    most: int,
    cooldown: float,
    timeout: int,
) -> None:
    """Scale a service with its load, until ^C.

    The target is a rate, a latency or both. Every decision is told with its reason.
    """
    from sandbox import output
    from sandbox.autoscaling import Policy, keep

    if target is None:
        target = 20 if latency is None else 0
    policy = Policy(target, latency or 0, least, most, cooldown)
    sandbox = call.sandbox(lambda event: None)
    targets = [f"{target:g} requests a second each"] if target else []
    targets += [f"95 of 100 answered within {latency:g} ms"] if latency else []
    output.talk(f"{service}: {' and '.join(targets)}, {least} to {most} containers; ^C ends it")
    for decision in keep(sandbox, service, policy, timeout):
        output.talk(decision.why)
