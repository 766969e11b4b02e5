"""What the options of queries mean: their values read and checked."""

from __future__ import annotations

import math
import re
from typing import Any

from logstore.errors import bad_query
from logstore.mapping import convert

META = re.compile(r"[\\.+*?()|\[\]{}^$#&~-]")  # what a regular expression would read as more than itself


def object_of(kind: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise bad_query(f"[{kind}] query malformed, an object is expected")
    return content


def refuse_unknown(kind: str, content: dict[str, Any], known: set[str]) -> None:
    for key in content:
        if key not in known:
            raise bad_query(f"[{kind}] query does not support [{str(key)[:100]}] in logstore")


def refuse_analyzer(kind: str, content: dict[str, Any]) -> None:
    if content.get("analyzer") not in (None, "standard"):
        raise bad_query(f"[{kind}] logstore has the analyzer [standard] only, not [{str(content['analyzer'])[:100]}]")


def boost(content: dict[str, Any]) -> float:
    boost: float = convert("boost", content.get("boost", 1.0), "double")
    return float(boost)


def edits(fuzziness: Any, length: int) -> int:
    """How many letters may differ: 0, 1, 2, AUTO (none below three letters, one below six), AUTO:low,high."""
    found = re.fullmatch(r"AUTO(?::(\d{1,3}),(\d{1,3}))?|([012])", str(fuzziness).upper())
    if not found:
        raise bad_query(f"[fuzziness] must be 0, 1, 2 or AUTO, not [{str(fuzziness)[:100]}]")
    if found[3]:
        return int(found[3])
    low, high = int(found[1] or 3), int(found[2] or 6)
    return (length >= low) + (length >= high)


def old_limits(options: dict[str, Any]) -> dict[str, Any]:
    """The limits in the words before `gte` and `lte`: `from`, `to`, and whether they are included."""
    limits: dict[str, Any] = {}
    for old, included, new in (("from", "include_lower", "gt"), ("to", "include_upper", "lt")):
        if old not in options and included in options:
            raise bad_query(f"[range] query: [{included}] needs [{old}]")
        if options.get(old) is not None:
            if new in options or new + "e" in options:
                raise bad_query(f"[range] query: [{old}] and [{new}], [{new}e] do not go together")
            limits[new + ("e" if options.get(included, True) in (True, "true") else "")] = options[old]
    return limits


def one_field(kind: str, content: dict[str, Any], short: str) -> tuple[str, Any]:
    """`{"field": {"query": …}}` and its short form `{"field": …}`."""
    if len(content) != 1:
        raise bad_query(f"[{kind}] query must name one field")
    [(path, options)] = content.items()
    if short and not isinstance(options, dict):
        options = {short: options}
    if short == "query" and "query" not in options:
        raise bad_query(f"[{kind}] query needs a [query]")
    return path, options


def minimum(given: Any, count: int, default: int) -> int:
    """`minimum_should_match`: 2, -1, "75%"."""
    if given is None:
        return default
    text = str(given)
    try:
        number = int(count * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    except ValueError:
        raise bad_query(f"failed to parse minimum_should_match [{text[:100]}]") from None
    return max(0, count + number if number < 0 else number)


def whole(path: str, name: str, value: Any) -> int:
    number: float = convert(path, value, "double")
    if isinstance(value, int):
        return max(-(2**63), min(2**63 - 1, value))
    if float(number).is_integer():
        return int(max(-(2**63), min(2**63 - 1, number)))
    # Between two whole numbers: `gt 1.5` is `gt 1`, `gte 1.5` is `gte 2`.
    return math.floor(number) if name in ("gt", "lte") else math.ceil(number)


def from_wildcard(text: str) -> str:
    made, at = "", 0
    while at < len(text):
        character = text[at]
        if character == "\\" and at + 1 < len(text):
            at += 1
            made += META.sub(r"\\\g<0>", text[at])
        else:
            made += {"*": ".*", "?": "."}.get(character, META.sub(r"\\\g<0>", character))
        at += 1
    return re.sub(r"(?:\.\*)+", ".*", made)


def ignoring_case(pattern: str) -> str:
    return re.sub(r"(?<!\\)[a-zA-Z]", lambda m: f"[{m[0].lower()}{m[0].upper()}]", pattern)
