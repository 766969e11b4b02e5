"""Names that do not meet: of a test run's sandbox, of a test's AWS account."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path


def name_for(folder: Path, keep: bool) -> str:
    """A project name for the tests in a folder; the same each time if the sandbox is to be kept."""
    stem = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:16] or "tests"
    kept = hashlib.sha256(str(folder).encode()).hexdigest()[:6]
    return f"test-{stem}-{kept if keep else secrets.token_hex(4)}"


def fresh_account() -> str:
    """Twelve digits that no other test has."""
    return str(10**11 + secrets.randbelow(9 * 10**11))
