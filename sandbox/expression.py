"""JMESPath, the language in which a fragment says what a ready service answers."""

from __future__ import annotations

from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError


def problem(text: str) -> str:
    """Why the text is not a valid expression, in one line; empty when it is (or when there is no text)."""
    try:
        if text:
            jmespath.compile(text)
    except JMESPathError as error:
        return str(error).splitlines()[0]
    return ""


def evaluate(text: str, data: Any) -> Any:
    """The expression's value; None when it does not fit the data."""
    try:
        return jmespath.search(text, data)
    except JMESPathError:
        return None
