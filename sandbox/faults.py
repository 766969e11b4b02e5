"""Faults on purpose: the services' own switches, found in their fragments and turned in their containers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from sandbox.errors import SandboxError, UsageError, did_you_mean
from sandbox.model import Faults, FaultState, Service

# (service, command, container or "") -> what the command printed in each of its running containers
Ask = Callable[[str, Sequence[str], str], list[str]]


class FaultSwitches:
    """The faults that services offer."""

    def __init__(self, services: Sequence[Service], ask: Ask) -> None:
        """Of `services`, those that run. Raises SandboxError if none of them has faults."""
        self.breakable = [(service, service.faults) for service in services if service.faults]
        self.ask = ask
        if not self.breakable:
            raise SandboxError("no service of this sandbox has faults", "`sandbox up storefront`")

    def states(self) -> list[FaultState]:
        """Every fault, and how much of it is on."""
        found = []
        for service, faults in self.breakable:
            answers = [json.loads(text) for text in self.ask(service.name, [*faults.command, "list"], "")]
            for fault in faults.kinds:
                amount = max(float(answer.get(fault.name, 0)) for answer in answers)
                found.append(FaultState(service.name, fault, amount))
        return found

    def inject(self, name: str, service: str, amount: float | None, container: str) -> FaultState:
        """Switches a fault on. Raises UsageError if there is none, or if more than one service knows it."""
        known = [(s, faults, f) for s, faults in self.breakable for f in faults.kinds if service in ("", s.name)]
        able = [found for found in known if found[2].name == name]
        if not able:
            near = did_you_mean(name, [fault.name for _, _, fault in known])
            raise UsageError(f"there is no fault {name}{near}", "`sandbox fault list` shows them")
        if len(able) > 1:
            names = ", ".join(s.name for s, _, _ in able)
            raise UsageError(f"more than one service knows {name}: {names}", f"sandbox fault inject {name} SERVICE")
        target, faults, fault = able[0]
        amount = fault.amount if amount is None else amount
        self.ask(target.name, [*faults.command, "inject", name, f"{amount:g}"], container)
        return FaultState(target.name, fault, amount)

    def clear(self, name: str, service: str) -> None:
        """Switches faults off: all, or those of this name or service."""
        for target, faults in self.breakable:
            if service in ("", target.name) and name in ("", *_names(faults)):
                self.ask(target.name, [*faults.command, "clear", *([name] if name else [])], "")


def _names(faults: Faults) -> list[str]:
    return [fault.name for fault in faults.kinds]
