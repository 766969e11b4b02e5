"""How objects become answers of the remote API: `tree`, `depth`, ranges and `_class`, as Jenkins has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from xml.sax.saxutils import escape

TOKEN = re.compile(r"\s*([\w*.$-]+|[\[\],]|\{\d*,?\d*\})")
DEEPEST = 10


@dataclass(frozen=True)
class Bean:
    """An object of the API. A field is a value or a function that gives it, so that only what is asked for is made.

    `brief`: what is shown of it inside another object; `hidden`: what is shown only if `tree` names it.
    """

    cls: str
    fields: Mapping[str, Any]
    brief: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()


@dataclass
class Tree:
    """A parsed `tree`: for each name what is wanted of it, and which part of a list."""

    names: dict[str, Tree | None] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int | None]] = field(default_factory=dict)


def parse_tree(text: str) -> Tree:
    """`jobs[name,builds[number]{0,5}]` as a Tree. Raises ValueError."""
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"tree cannot be read at {text[at : at + 20]!r}")
        tokens.append(match[1])
        at = match.end()
    tree, rest = _tree(tokens, 0)
    if rest:
        raise ValueError(f"tree has too much: {''.join(rest)!r}")
    return tree


def render(value: Any, tree: Tree | None = None, depth: int = 0) -> Any:
    """Plain data for JSON. Without a tree, `depth` says how far inside other objects all is shown."""
    if tree is not None:
        return _chosen(value, tree)
    return _deep(value, min(depth, DEEPEST), True)


def to_xml(value: Any, name: str) -> str:
    """Jenkins' XML form of an answer."""
    if isinstance(value, Mapping):
        cls = f' _class="{escape(str(value["_class"]))}"' if "_class" in value else ""
        inner = "".join(
            "".join(to_xml(each, key.removesuffix("s") if key != "class" else key) for each in part)
            if isinstance(part, list)
            else to_xml(part, key)
            for key, part in value.items()
            if key != "_class" and part is not None
        )
        return f"<{name}{cls}>{inner}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


def _tree(tokens: list[str], depth: int) -> tuple[Tree, list[str]]:
    if depth > 50:
        raise ValueError("tree is too deep")
    tree = Tree()
    while tokens and tokens[0] != "]":
        name, tokens = tokens[0], tokens[1:]
        inner: Tree | None = None
        if tokens and tokens[0] == "[":
            inner, tokens = _tree(tokens[1:], depth + 1)
            if not tokens:
                raise ValueError("tree lacks a ]")
            tokens = tokens[1:]
        if tokens and tokens[0].startswith("{"):
            first, _, last = tokens[0].strip("{}").partition(",")
            start = int(first or 0)
            end = int(last) if last else (None if "," in tokens[0] else start + 1)
            tree.ranges[name] = (start, end)
            tokens = tokens[1:]
        tree.names[name] = inner
        if tokens and tokens[0] == ",":
            tokens = tokens[1:]
        elif tokens and tokens[0] != "]":
            raise ValueError(f"tree: expected a comma before {tokens[0]!r}")
    return tree, tokens


def _value(value: Any) -> Any:
    return value() if callable(value) else value


def _chosen(value: Any, tree: Tree) -> Any:
    if isinstance(value, Bean):
        shown: dict[str, Any] = {"_class": value.cls}
        for name in _named(tree, [name for name in value.fields if name not in value.hidden]):
            if name in value.fields:
                shown[name] = _part(_value(value.fields[name]), tree, name)
        return shown
    if isinstance(value, Mapping):
        if "_class" not in value:
            return {name: _chosen(each, tree) for name, each in value.items()}
        names = _named(tree, list(value))
        return {"_class": value["_class"], **{n: _part(value[n], tree, n) for n in names if n in value}}
    return value


def _named(tree: Tree, known: list[str]) -> list[str]:
    return list(dict.fromkeys([*tree.names, *(known if "*" in tree.names else ())]))


def _part(value: Any, tree: Tree, name: str) -> Any:
    inner = tree.names.get(name)
    if isinstance(value, (list, tuple)):
        start, end = tree.ranges.get(name, (0, None))
        return [_nested(each, inner) for each in islice(value, start, end)]
    return _nested(value, inner)


def _nested(value: Any, inner: Tree | None) -> Any:
    if inner is not None:
        return _chosen(value, inner)
    if isinstance(value, Bean):
        return {"_class": value.cls}
    if isinstance(value, Mapping) and "_class" in value:
        return {"_class": value["_class"]}
    return _deep(value, 0, False)


def _deep(value: Any, depth: int, top: bool) -> Any:
    if isinstance(value, Bean):
        if top or depth > 0:
            names: Any = [name for name in value.fields if name not in value.hidden]
        else:
            names = value.brief
        below = depth if top else depth - 1
        return {"_class": value.cls, **{name: _deep(_value(value.fields[name]), below, False) for name in names}}
    if isinstance(value, Mapping):
        return {name: _deep(each, depth, False) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_deep(each, depth, False) for each in value]
    return value


Field = Callable[[], Any]
