"""Compose's `${NAME}` in texts, the part of it that fragments may use, and sizes such as `256m`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sandbox.model import Variable

REFERENCE = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Z][A-Z0-9_]*)(?::-(?P<default>[^${}]*)|:\?[^{}]*)?\}|(?P<other>.))",
    re.DOTALL,
)
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
COMPOSE_OWN = ("COMPOSE_PROJECT_NAME",)


def find(scalars: Iterable[tuple[int, str]], problems: list[str]) -> dict[str, Variable]:
    """The variables of a fragment's values, given as (line, text).

    Anything but `${NAME}`, `${NAME:-default}`, `${NAME:?text}` is a problem, noted as `line: what`.
    """
    found: dict[str, Variable] = {}
    for line, text in scalars:
        for match in REFERENCE.finditer(text):
            name, default = match["name"], match["default"]
            if match["escaped"] or name in COMPOSE_OWN:
                continue
            known = found.get(name)
            if not name:
                problems.append(f"{line}: write ${{NAME:-default}}, or $$ for a dollar sign")
            elif known and None not in (default, known.default) and default != known.default:
                problems.append(f"{line}: {name} has two defaults, {known.default!r} and {default!r}")
            elif known is None or default is not None:
                found[name] = Variable(name, default)
    return found


def expand(text: str, values: Mapping[str, str]) -> str:
    """The text as Compose would read it, with these values."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        return values.get(match["name"] or "") or match["default"] or ""

    return REFERENCE.sub(value, text)


def size(text: str) -> int:
    """Bytes of a size such as `256m`, `1.5g` or `1024`. Raises ValueError."""
    match = SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size such as 256m or 2g")
    return int(float(match[1]) * UNITS[match[2].lower()])
