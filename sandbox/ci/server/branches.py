"""Multibranch jobs: one job per branch that has a Jenkinsfile."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from sandbox.ci.model import Source
from sandbox.ci.server import configuration
from sandbox.ci.server.causes import plain_cause
from sandbox.ci.server.configuration import Definition
from sandbox.ci.server.repositories import GitError, Head
from sandbox.ci.server.scheduler import Scheduler
from sandbox.ci.store import PIPELINE, Item, Taken

INDEXING = "jenkins.branch.BranchIndexingCause"
logger = logging.getLogger("sandbox.ci")


class Branches:
    """Scans repositories of multibranch jobs; one scan of a job at a time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._locks: dict[int, threading.Lock] = {}

    def log(self, item: Item) -> Path:
        return self._scheduler.home.job(item.id) / "indexing"

    def scan_soon(self, item: Item) -> None:
        threading.Thread(target=self.scan, args=(item,), name=f"scan {item.path}", daemon=True).start()

    def scan(self, item: Item) -> None:
        """Creates, builds and removes the jobs of branches. The log says what was found."""
        with self._locks.setdefault(item.id, threading.Lock()):
            lines = [f"[{_now()}] Starting branch indexing..."]
            try:
                lines += self._scan(item)
                lines.append("Finished: SUCCESS")
            except (GitError, configuration.BadConfiguration) as error:
                lines += [f"ERROR: {error}", "Finished: FAILURE"]
            try:
                path = self.log(item)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            except OSError as error:
                logger.error("the indexing log of %s cannot be written: %s", item.path, error)

    def _scan(self, item: Item) -> list[str]:
        scheduler = self._scheduler
        definition = scheduler.definition(item)
        source = definition.source
        given = scheduler.credential(item.path, source.credentials) if source.credentials else None
        heads = scheduler.repositories.heads(source.url, given)
        # This also brings a copy of a foreign repository up to date, for `file` below.
        primary = scheduler.repositories.resolve(source.url, "", given).branch if heads else ""
        lines, wanted = [f"Checking branches of {source.url}"], set()
        for head in heads:
            if not _chosen(head.branch, definition):
                lines.append(f"  {head.branch}: not chosen by the filter")
                continue
            recipe = scheduler.repositories.recipe(source.url, head.commit, source.script_path)
            if scheduler.repositories.file(source.url, head.commit, recipe) is None:
                lines.append(f"  {head.branch}: {source.script_path} not found")
            else:
                wanted.add(quote(head.branch, safe="-_.~+ "))
                lines.append(f"  {head.branch}: {recipe} found, {self._met(item, source, head, primary)}")
        for child in scheduler.store.children(item.path):
            if child.name not in wanted:
                scheduler.forget(scheduler.store.delete_item(child))
                lines.append(f"  {child.display_name or child.name}: gone, its job is removed")
        scheduler.topics.touch("jobs")
        return lines

    def _met(self, item: Item, source: Source, head: Head, primary: str) -> str:
        scheduler = self._scheduler
        path = f"{item.path}/{quote(head.branch, safe='-_.~+ ')}"
        config = configuration.write(Definition(PIPELINE, source=replace(source, branch=head.branch)))
        state = {"branch": head.branch, "primary": head.branch == primary, "head": head.commit}
        job = scheduler.store.item(path)
        if job is None:
            try:
                job = scheduler.store.create_item(path, PIPELINE, config, display_name=head.branch, state=state)
            except Taken:
                return "created meanwhile"
            scheduler.submit(job, [plain_cause(INDEXING, "Branch indexing")])
            return "new, scheduled"
        if job.config != config:
            scheduler.store.change_item(job.id, config=config)
        if job.state.get("head") == head.commit:
            return "no changes"
        scheduler.store.change_item(job.id, state={**job.state, **state})
        scheduler.submit(job, [plain_cause(INDEXING, "Branch indexing")])
        return f"changes to {head.commit[:12]}, scheduled"


def _chosen(branch: str, definition: Definition) -> bool:
    includes, excludes = definition.branches.split() or ["*"], definition.exclude.split()
    return any(fnmatchcase(branch, each) for each in includes) and not any(fnmatchcase(branch, e) for e in excludes)


def _now() -> str:
    return datetime.now(UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
