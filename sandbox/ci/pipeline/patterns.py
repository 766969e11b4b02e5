"""Ant's file patterns: `**` crosses folders, `*` and `?` do not, a trailing slash means everything below."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# What Ant leaves out unless told otherwise.
DEFAULT_EXCLUDES = (
    "**/*~,"
    "**/#*#,"
    "**/.#*,"
    "**/%*%,"
    "**/._*,"
    "**/CVS,"
    "**/CVS/**,"
    "**/.cvsignore,"
    "**/SCCS,"
    "**/SCCS/**,"
    "**/.svn,"
    "**/.svn/**,"
    "**/.DS_Store,"
    "**/.git,"
    "**/.git/**,"
    "**/.gitattributes,"
    "**/.gitignore,"
    "**/.gitmodules,"
    "**/.hg,"
    "**/.hg/**,"
)


@lru_cache(maxsize=512)
def glob(pattern: str, case_sensitive: bool = True) -> re.Pattern[str]:
    """An Ant pattern as a regular expression to match whole paths with."""
    pattern = pattern.strip().replace("\\", "/")
    if pattern.endswith("/"):
        pattern += "**"
    parts = []
    segments = pattern.split("/")
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "**":
            parts.append(".*" if last else "(?:[^/]+/)*")
        else:
            parts.append(re.escape(segment).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + ("" if last else "/"))
    expression = "".join(parts)
    if expression.endswith("/.*"):
        expression = expression[:-3] + "(?:/.*)?"
    return re.compile(expression + r"\Z", re.DOTALL if case_sensitive else re.DOTALL | re.IGNORECASE)


def split(patterns: str) -> list[str]:
    """Several patterns, separated by commas."""
    return [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]


def files(
    folder: Path, includes: str, excludes: str = "", default_excludes: bool = True, case_sensitive: bool = True
) -> Iterator[str]:
    """Paths of files below `folder`, relative to it, sorted, that a pattern includes and none excludes."""
    wanted = [glob(pattern, case_sensitive) for pattern in split(includes)]
    unwanted = [glob(pattern, case_sensitive) for pattern in split(excludes)]
    if default_excludes:
        unwanted += [glob(pattern) for pattern in split(DEFAULT_EXCLUDES)]
    for root, folders, names in os.walk(folder):
        folders.sort()
        base = os.path.relpath(root, folder)
        for name in sorted(names):
            path = name if base == "." else f"{base}/{name}"
            if any(p.match(path) for p in wanted) and not any(p.match(path) for p in unwanted):
                yield path
