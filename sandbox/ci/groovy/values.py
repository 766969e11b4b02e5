"""Values that cross between Python and Groovy: what stands for the other side's objects, and their form in JSON."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Closure:
    """A closure that Groovy holds; `key` picks a piece of a declarative pipeline."""

    number: int
    key: str = ""


@dataclass(frozen=True)
class Opaque:
    """An object that Groovy holds and Python only passes on."""

    number: int
    text: str
    type: str


class Array(list[Any]):
    """A list that Groovy gets as an array, for scripts that ask for its `length`."""


@dataclass(frozen=True)
class Described:
    """A symbol with arguments, such as `string(credentialsId: 'x')`."""

    symbol: str
    arguments: Mapping[str, Any]


class JsonMap(dict[str, Any]):
    """A map of Jenkins' JSON library: in Groovy it prints as JSON."""


class JsonList(list[Any]):
    """A list of Jenkins' JSON library."""


def as_json(value: Any) -> Any:
    """Maps and lists as Jenkins' JSON library has them."""
    if isinstance(value, dict):
        return JsonMap(value)
    return JsonList(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Remote:
    """An object of ours that Groovy sees: its properties and methods are asked of us under this id."""

    id: str


@dataclass(frozen=True)
class ResultValue:
    """A hudson.model.Result."""

    name: str


def encode(value: Any) -> Any:
    """A Python value as the Groovy side reads it."""
    if isinstance(value, Closure):
        return {"$closure": value.number}
    if isinstance(value, Opaque):
        return {"$object": value.number}
    if isinstance(value, Described):
        return {"$symbol": value.symbol, "arguments": encode(value.arguments)}
    if isinstance(value, Remote):
        return {"$remote": value.id}
    if isinstance(value, ResultValue):
        return {"$result": value.name}
    if isinstance(value, JsonMap | JsonList):
        return {"$json": encode(dict(value) if isinstance(value, JsonMap) else list(value))}
    if isinstance(value, Mapping):
        encoded = {str(key): encode(item) for key, item in value.items()}
        # Groovy reads a JSON object in the order of its keys.
        in_order = all(a <= b for a, b in itertools.pairwise(encoded))
        return encoded if in_order and not any(key.startswith("$") for key in encoded) else {"$map": [*encoded.items()]}
    if isinstance(value, list | tuple | set | frozenset):
        items = [encode(item) for item in value]
        return {"$array": items} if isinstance(value, Array) else items
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def decode(value: Any) -> Any:
    """What the Groovy side wrote, as Python values."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$closure" in value:
        return Closure(value["$closure"])
    if "$object" in value:
        return Opaque(value["$object"], value["text"], value["type"])
    if "$symbol" in value:
        return Described(value["$symbol"], decode(value["arguments"]))
    if "$remote" in value:
        return Remote(value["$remote"])
    if "$json" in value:
        return as_json(decode(value["$json"]))
    if "$map" in value:
        value = value["$map"]
    return {key: decode(item) for key, item in value.items()}
