"""`filter_path`: the parts of an answer that were asked for, as `a.b`, `a.*.c`, `**.d`, and `-a.b` to leave one out."""

from __future__ import annotations

import fnmatch
from typing import Any

from logstore.errors import bad_request

MOST, DEEPEST = 50, 20
Path = tuple[str, ...]


def filtered(answer: Any, wanted: str) -> Any:
    """The answer less what `wanted` leaves out. Raises ApiError."""
    named = [path.strip() for path in wanted.split(",") if path.strip()]
    if len(named) > MOST or any(path.count(".") > DEEPEST for path in named):
        raise bad_request(f"[filter_path] takes {MOST} paths of {DEEPEST} parts at most")
    includes = [tuple(path.split(".")) for path in named if not path.startswith("-")]
    excludes = [tuple(path[1:].split(".")) for path in named if path.startswith("-")]
    kept = _kept(answer, includes) if includes else answer
    return _without(kept, excludes) if excludes else kept


def _kept(value: Any, paths: list[Path]) -> Any:
    if isinstance(value, list):
        return [kept for kept in (_kept(item, paths) for item in value) if kept not in ({}, [])]
    if not isinstance(value, dict):
        return {}
    found = {}
    for name, inner in value.items():
        rests = _below(name, paths)
        if () in rests:
            found[name] = inner
        elif rests and (kept := _kept(inner, rests)) not in ({}, []):
            found[name] = kept
    return found


def _without(value: Any, paths: list[Path]) -> Any:
    if isinstance(value, list):
        return [_without(item, paths) for item in value]
    if not isinstance(value, dict):
        return value
    rests = {name: _below(name, paths) for name in value}
    return {name: _without(inner, rests[name]) for name, inner in value.items() if () not in rests[name]}


def _below(name: str, paths: list[Path]) -> list[Path]:
    """What is left of each path that goes through a name; nothing left means all below it."""
    rests: set[Path] = set()
    for path in paths:
        if path and path[0] == "**":
            rests |= {path, *_below(name, [path[1:]])} if len(path) > 1 else {()}
        elif path and fnmatch.fnmatchcase(name, path[0]):
            rests.add(path[1:])
    return sorted(rests)
