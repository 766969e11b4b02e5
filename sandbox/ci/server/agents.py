"""Executors: who may run a `node` block now. Every agent is a name for a share of this one computer."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

BUILT_IN = "built-in"
TOKEN = re.compile(r"\s*(?:(&&|\|\||!|\(|\))|\"([^\"]+)\"|([^\s&|!()\"]+))")


@dataclass
class Agent:
    """`slots` holds, per executor, the id of the build that uses it, or None."""

    name: str
    labels: frozenset[str]
    slots: list[int | None]
    description: str = ""
    exclusive: bool = False  # only for builds that ask for one of its labels
    offline: bool = False
    offline_reason: str = ""
    since: dict[int, int] = field(default_factory=dict)

    @property
    def busy(self) -> int:
        return sum(slot is not None for slot in self.slots)

    @property
    def free(self) -> int:
        return 0 if self.offline else len(self.slots) - self.busy

    def suits(self, label: str) -> bool:
        """Whether a label expression (`linux && !slow`, empty for any) holds here. Raises ValueError."""
        if not label.strip():
            return not self.exclusive
        return matches(label, self.labels | {self.name})


class Agents:
    """All agents. `changed` is notified whenever an executor comes free or an agent changes."""

    def __init__(self, executors: int, labels: frozenset[str]) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._line: list[tuple[object, str]] = []  # who waits for an executor, and its label
        self._agents = {BUILT_IN: Agent(BUILT_IN, labels, [None] * executors, "the Jenkins controller's built-in node")}

    def all(self) -> list[Agent]:
        with self.changed:
            return list(self._agents.values())

    def get(self, name: str) -> Agent | None:
        if name in ("(built-in)", "(master)", "master", "Built-In Node"):
            name = BUILT_IN
        with self.changed:
            return self._agents.get(name)

    def put(self, agent: Agent) -> None:
        """Adds an agent, or changes the one of this name; executors in use stay in use until they are done."""
        with self.changed:
            if old := self._agents.get(agent.name):
                kept = [slot for slot in old.slots if slot is not None]
                agent.slots = (kept + agent.slots)[: max(len(kept), len(agent.slots))]
            self._agents[agent.name] = agent
            self.changed.notify_all()

    def remove(self, name: str) -> None:
        with self.changed:
            self._agents.pop(name, None)
            self.changed.notify_all()

    def set_offline(self, agent: Agent, offline: bool, reason: str) -> None:
        with self.changed:
            agent.offline, agent.offline_reason = offline, reason if offline else ""
            self.changed.notify_all()

    @property
    def capacity(self) -> int:
        """Executors that are online, busy or not."""
        return sum(len(agent.slots) for agent in self.all() if not agent.offline)

    def check(self, label: str) -> None:
        """Raises LookupError for a label that no agent has."""
        if not any(agent.suits(label) for agent in self.all()):
            there = sorted({name for agent in self.all() for name in (*agent.labels, agent.name)})
            raise LookupError(f"There are no nodes with the label '{label}'; there are: {', '.join(there)}")

    @contextmanager
    def acquired(
        self, label: str, build: int, waiting: Callable[[float], None], clock: Callable[[], float]
    ) -> Iterator[str]:
        """An executor, as soon as there is one; the agent's name. `waiting` is told the seconds, and may raise."""
        self.check(label)
        began, ticket = clock(), object()
        with self.changed:
            self._line.append((ticket, label))
            try:
                while (agent := self._free_for(ticket, label)) is None:
                    self.changed.wait(0.25)
                    waiting(clock() - began)
            finally:
                self._line.remove((ticket, label))
            index = agent.slots.index(None)
            agent.slots[index] = build
            agent.since[index] = int(clock() * 1000)
        try:
            yield agent.name
        finally:
            with self.changed:
                current = self._agents.get(agent.name, agent)
                if build in current.slots:
                    current.slots[current.slots.index(build)] = None
                self.changed.notify_all()

    def _free_for(self, ticket: object, label: str) -> Agent | None:
        """A free agent that suits, and for which nobody who suits came earlier: first come, first served."""
        for agent in self._agents.values():
            if agent.free > 0 and agent.suits(label):
                earlier = [other for other, wanted in self._line if agent.suits(wanted)]
                if ticket in earlier[: agent.free]:
                    return agent
        return None


def matches(expression: str, labels: frozenset[str]) -> bool:
    """Whether Jenkins' label expression holds for a set of labels. Raises ValueError."""
    tokens: list[str] = []
    at = 0
    text = expression.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"{expression!r} is no label expression")
        operator, quoted, word = match.groups()
        tokens.append(operator or f"={quoted or word}")
        at = match.end()
    value, rest = _either(tokens, labels)
    if rest:
        raise ValueError(f"{expression!r} is no label expression")
    return value


def _either(tokens: list[str], labels: frozenset[str]) -> tuple[bool, list[str]]:
    value, rest = _both(tokens, labels)
    while rest and rest[0] == "||":
        other, rest = _both(rest[1:], labels)
        value = value or other
    return value, rest


def _both(tokens: list[str], labels: frozenset[str]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens, labels)
    while rest and rest[0] == "&&":
        other, rest = _one(rest[1:], labels)
        value = value and other
    return value, rest


def _one(tokens: list[str], labels: frozenset[str]) -> tuple[bool, list[str]]:
    if not tokens:
        raise ValueError("a label expression ends too early")
    first, rest = tokens[0], tokens[1:]
    if first == "!":
        value, rest = _one(rest, labels)
        return not value, rest
    if first == "(":
        value, rest = _either(rest, labels)
        if not rest or rest[0] != ")":
            raise ValueError("a label expression lacks a )")
        return value, rest[1:]
    if not first.startswith("="):
        raise ValueError(f"a label expression cannot have {first} here")
    return first[1:] in labels, rest
