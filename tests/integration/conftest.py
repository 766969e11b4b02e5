"""The names that tests of the real engine share; their fixtures are for all tests."""

from __future__ import annotations

from ..stack import PROJECT, Run

__all__ = ["PROJECT", "Run"]
