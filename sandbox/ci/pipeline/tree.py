"""A Jenkinsfile's syntax tree as the Groovy worker gives it, with positions and source text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, order=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int

    @property
    def key(self) -> str:
        """How a rewritten script names the piece that begins here."""
        return f"{self.line}:{self.column}"


class Source:
    """The text, cut by positions."""

    def __init__(self, text: str) -> None:
        self.lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def cut(self, line: int, column: int, last_line: int, last_column: int) -> str:
        """From a position to (not including) another."""
        lines = self.lines[line - 1 : last_line]
        if not lines or line < 1:
            return ""
        lines = list(lines)
        lines[-1] = lines[-1][: last_column - 1]
        lines[0] = lines[0][column - 1 :]
        return "\n".join(lines).strip()


class Node:
    """One expression, or a statement that consists of one."""

    def __init__(self, raw: Mapping[str, Any], source: Source) -> None:
        self.raw = raw
        self.source = source
        self.kind: str = raw["k"]

    @property
    def place(self) -> Place:
        return Place(self.raw["l"], self.raw["c"])

    @property
    def statement_place(self) -> Place:
        """Where the statement that this expression is begins."""
        line, column, *_ = self.raw.get("s", (self.raw["l"], self.raw["c"]))
        return Place(line, column)

    @property
    def text(self) -> str:
        return self.source.cut(self.raw["l"], self.raw["c"], self.raw["L"], self.raw["C"])

    @property
    def name(self) -> str | None:
        """A call's or variable's name; None if it is computed, or called on an object."""
        if self.kind == "call" and self.raw["on"] is not None:
            return None
        name = self.raw.get("name")
        return str(name) if name is not None else None

    @property
    def any_name(self) -> str | None:
        """A call's method name, whatever it is called on."""
        name = self.raw.get("name")
        return str(name) if name is not None else None

    @property
    def on(self) -> Node | None:
        raw = self.raw.get("on")
        return Node(raw, self.source) if raw else None

    @property
    def name_place(self) -> Place:
        at = self.raw["m"]
        return Place(at["l"], at["c"]) if at["l"] > 0 else self.place

    @cached_property
    def args(self) -> Sequence[Node]:
        return [Node(raw, self.source) for raw in self.raw["args"]]

    @cached_property
    def body(self) -> Sequence[Node]:
        """A closure's statements."""
        return [Node(raw, self.source) for raw in self.raw["body"]]

    @property
    def body_text(self) -> str:
        at = self.raw["b"]
        return self.source.cut(at["l"], at["c"], at["L"], at["C"])

    @property
    def body_place(self) -> Place:
        at = self.raw["b"]
        return Place(at["l"], at["c"]) if at["l"] > 0 else self.place

    @property
    def entries(self) -> Iterator[tuple[Node, Node, Place]]:
        for key, value, at in self.raw["entries"]:
            yield Node(key, self.source), Node(value, self.source), Place(at["l"], at["c"])

    @property
    def value(self) -> Any:
        return self.raw["value"]

    @property
    def type(self) -> str:
        """A constant's Java class, or what kind of other expression or statement it is."""
        return str(self.raw["type"])

    @property
    def left(self) -> Node:
        return Node(self.raw["left"], self.source)

    @property
    def right(self) -> Node:
        return Node(self.raw["right"], self.source)

    @property
    def operation(self) -> str:
        return str(self.raw["op"])

    @property
    def block(self) -> Node | None:
        """The closure of `name(...) { ... }`; None for anything else."""
        if self.kind == "call" and self.name is not None and self.args and self.args[-1].kind == "closure":
            return self.args[-1]
        return None
