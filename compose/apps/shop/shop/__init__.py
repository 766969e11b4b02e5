"""What the shop's programs share: who they are, how they log, their faults, and their way to AWS."""

from __future__ import annotations

import json
import os
from pathlib import Path


def _release() -> tuple[str, str]:
    """Version and commit: of the release these files were unpacked from, else of the image."""
    file = Path(__file__).parent.parent / "release.json"
    told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return told.get("version", "1.0.0"), told.get("commit", os.environ.get("APP_COMMIT", "unknown"))


VERSION, COMMIT = _release()
