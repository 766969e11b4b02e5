"""Foreseen failures: a message, a way out and an exit code. `cli.Root.invoke` alone turns them into words."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SandboxError(Exception):
    """An operation failed in a way we can explain.

    `message` says what and where, `hint` what to do next (may be empty).
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SandboxError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class ConfigurationError(UsageError):
    """All problems found in the configuration, together. Each says `file:line: what`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        title = "1 problem" if count == 1 else f"{count} problems"
        super().__init__(f"{title} in the configuration\n" + "\n".join(f"  {p}" for p in self.problems))


class EngineError(SandboxError):
    """The Docker engine, or an image, cannot be had."""

    exit_code = 3


class NotReadyError(SandboxError):
    """The stack runs but did not become useful in time. It is left as it is, for inspection."""

    exit_code = 4


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """', did you mean "x"?' for the nearest known word, else nothing."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f', did you mean "{near[0]}"?' if near else ""
