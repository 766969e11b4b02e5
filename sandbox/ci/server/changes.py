"""The commits that are new in a build, and their authors, as the remote API has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sandbox.ci.server.home import read_json


def change_sets(url: str, folder: Path) -> list[dict[str, Any]]:
    commits = read_json(folder / "changes.json", [])
    if not commits:
        return []
    items = [_change(url, commit) for commit in commits]
    return [{"_class": "hudson.plugins.git.GitChangeSetList", "items": items, "kind": "git"}]


def _change(url: str, commit: Mapping[str, Any]) -> dict[str, Any]:
    message = str(commit.get("message", ""))
    moment = int(commit.get("timestamp", 0))
    paths = [str(path if isinstance(path, str) else path.get("file", "")) for path in commit.get("paths", ())]
    author = str(commit.get("author", ""))
    return {
        "_class": "hudson.plugins.git.GitChangeSet",
        "affectedPaths": paths,
        "author": {"absoluteUrl": f"{url}user/{quote(author, safe='')}", "fullName": author},
        "authorEmail": commit.get("email", ""),
        "comment": message if message.endswith("\n") else f"{message}\n",
        "commitId": commit.get("id", ""),
        "date": datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S +0000"),
        "id": commit.get("id", ""),
        "msg": message.partition("\n")[0],
        "paths": [{"editType": "edit", "file": path} for path in paths],
        "timestamp": moment,
    }


def culprits(url: str, folder: Path) -> list[dict[str, Any]]:
    authors = dict.fromkeys(str(commit.get("author", "")) for commit in read_json(folder / "changes.json", []))
    return [{"absoluteUrl": f"{url}user/{quote(name, safe='')}", "fullName": name} for name in authors]
