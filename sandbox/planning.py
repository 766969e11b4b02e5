"""The plan before the start: which services, images from where, whether there is room, which ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import catalogue as catalogues
from sandbox import host, images, relay, variables
from sandbox.catalogue import AUTO, Catalogue
from sandbox.engine import Engine
from sandbox.errors import SandboxError, UsageError
from sandbox.images import ImagePlan
from sandbox.model import Event, Say, Settings, Stack

if TYPE_CHECKING:
    from sandbox.bundle import Bundle

PREFERRED = ("full", "lite")
DISK_RESERVE = 500 * 1024**2
TIGHT = 0.8  # of Docker's memory: above it there is a warning


class Planner:
    """Plans for one engine; `say` hears what users should know of a plan."""

    def __init__(self, engine: Engine, say: Say) -> None:
        self.engine = engine
        self.say = say

    def choose(self, settings: Settings, catalogue: Catalogue) -> tuple[Stack, list[ImagePlan]]:
        """The services to run and where their images come from. `auto` explains its choice."""
        sizes = self.engine.image_sizes()
        registries = images.Registries(self.engine, relay.local(settings.registry))
        bundled = found.names if (found := bundle(settings)) else {}
        own = {n: str(v.value) for n, v in settings.values.items() if n.endswith("_IMAGE")}

        def plan(stack: Stack) -> list[ImagePlan]:
            plans = images.plan(stack, sizes, settings.images, registries, own, bundled)
            return [_with_way_out(item, catalogue) for item in plans]

        if settings.services or settings.profile != AUTO:
            stack = catalogues.choose(catalogue, settings.services, settings.profile, settings.without)
            return stack, plan(stack)
        reasons: list[str] = []
        for profile in PREFERRED:
            stack = catalogues.choose(catalogue, (), profile, [n for n in settings.without if n in catalogue.services])
            plans = plan(stack)
            reason = self._why_not(stack, plans, settings)
            if not reason:
                break
            reasons.append(f"not {profile}: {reason}")
        else:
            stack, plans = _without_impossible(catalogue, stack, plans)
        why = "; ".join([f"auto chose {stack.profile}", *reasons])
        return Stack(stack.services, stack.profile, why, stack.left_out), plans

    def _why_not(self, stack: Stack, plans: Sequence[ImagePlan], settings: Settings) -> str:
        if lost := [plan.service for plan in plans if plan.action == "impossible"]:
            return f"no image can be had for {', '.join(dict.fromkeys(lost))}"
        try:
            self.check_room(stack, plans, settings)
        except SandboxError as error:
            return error.message.splitlines()[0]
        return ""

    def check_room(self, stack: Stack, plans: Sequence[ImagePlan], settings: Settings) -> None:
        """Memory limits against what Docker has, new images against the disk. Raises SandboxError if it won't do."""
        info = self.engine.info()
        limits = {name: _limit(stack, name, settings) for name in stack.containers}
        needed = sum(limits.values())
        if needed > info.memory:
            largest = sorted(limits, key=lambda name: -limits[name])[:3]
            raise SandboxError(
                f"memory: the services may use {_mega(needed)}, Docker has {_mega(info.memory)}",
                f"choose a smaller --profile, or leave out: --without {largest[0]} (largest: {', '.join(largest)})",
            )
        if needed > TIGHT * info.memory:
            text = f"memory is tight: the services may use {_mega(needed)} of Docker's {_mega(info.memory)}"
            self.say(Event("warning", text=text))
        disk = sum(plan.size for plan in plans if plan.action in ("load", "pull", "build"))
        free = host.free_disk(info.root)
        if disk and disk + DISK_RESERVE > free:
            raise SandboxError(
                f"disk: the images need {_mega(disk)} and some room to work, {_mega(free)} is free",
                "`docker system df` shows what Docker holds; `sandbox images prune` removes what we no longer need",
            )

    def ports(
        self, project: str, settings: Settings, stack: Stack, values: Mapping[str, str], previous: Mapping[str, str]
    ) -> dict[str, str]:
        """A free port for each published one, the last one used if possible."""
        mine = {port for state in self.engine.containers(project) for _, port in state.ports.values()}
        taken: set[int] = set()
        ports: dict[str, str] = {}
        for container in stack.containers.values():
            for port in container.ports:
                if port.variable in ports:
                    continue  # one port, by TCP and by UDP
                by = {
                    p.protocol for p in container.ports if (p.variable, p.container) == (port.variable, port.container)
                }
                asked = int(values.get(port.variable, port.default))
                before = previous.get(port.variable, "")
                wanted = int(before) if before.isdecimal() and port.variable not in settings.values else asked
                chosen = port.variable in settings.values or before
                if settings.free_ports and port.variable and not chosen:
                    wanted = host.any_port(taken)
                address = variables.expand(port.address, values)
                free = wanted not in taken and (
                    wanted in mine or all(host.port_is_free(wanted, address, protocol) for protocol in by)
                )
                if not free and (settings.strict_ports or not port.variable):
                    raise UsageError(
                        f"port {wanted} of {container.name} is taken", f"--set {port.variable}=… chooses another"
                    )
                got = wanted if free else host.free_port(wanted, taken)
                if not free:
                    self.say(Event("notice", container.name, text=f"port {wanted} is taken: using {got} instead"))
                taken.add(got)
                if port.variable:
                    ports[port.variable] = str(got)
        return ports


def bundle(settings: Settings) -> Bundle | None:
    """The bundle that the settings name."""
    from sandbox.bundle import Bundle

    return Bundle(Path(settings.bundle)) if settings.bundle else None


def _with_way_out(item: ImagePlan, catalogue: Catalogue) -> ImagePlan:
    """What cannot be had may be done by another service."""
    capability = catalogue.services[item.service].provides
    others = [name for name, s in catalogue.services.items() if s.provides == capability and name != item.service]
    if item.action != "impossible" or not capability or not others:
        return item
    return replace(item, reason=f"{item.reason}; {' or '.join(others)} can take its place")


def _without_impossible(
    catalogue: Catalogue, stack: Stack, plans: Sequence[ImagePlan]
) -> tuple[Stack, list[ImagePlan]]:
    """The last profile, less what cannot be had and what needs it."""
    lost = {plan.service: plan.reason for plan in plans if plan.action == "impossible"}
    names = [service.name for service in stack.services]
    gone = catalogues.dependents(catalogue, names, lost)
    kept = [name for name in names if name not in gone]
    smaller = catalogues.choose(catalogue, kept, "", ()) if kept else stack
    left_out = {name: lost.get(name, f"needs {', '.join(lost)}") for name in sorted(gone)}
    return Stack(smaller.services, stack.profile, "", left_out), [p for p in plans if p.service not in gone]


def _limit(stack: Stack, container: str, settings: Settings) -> int:
    values = {name: settings.text(variable) for name, variable in stack.variables.items()}
    return variables.size(variables.expand(stack.containers[container].memory, values))


def _mega(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"
