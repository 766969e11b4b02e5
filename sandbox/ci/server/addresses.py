"""Where things are, below the server's address."""

from __future__ import annotations

from urllib.parse import quote


def job_path(path: str) -> str:
    """`job/team/job/web/` for "team/web", ready for a URL."""
    return "".join(f"job/{quote(name, safe='')}/" for name in path.split("/")) if path else ""
