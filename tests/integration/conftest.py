"""The names that tests of the real engine share; their fixtures are for all tests."""

from __future__ import annotations

import pytest

from ..stack import PROJECT, Run

__all__ = ["PROJECT", "Run"]


@pytest.fixture
def shop(stack: Run) -> str:
    """The shop's address."""
    return stack("url", "storefront").stdout.strip()
