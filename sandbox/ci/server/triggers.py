"""What starts builds without a person: schedules, polling, pushes, webhooks and other jobs' ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sandbox.ci.cron import Schedule
from sandbox.ci.server.branches import Branches
from sandbox.ci.server.causes import plain_cause, upstream_cause
from sandbox.ci.server.repositories import GitError
from sandbox.ci.server.scheduler import Scheduler
from sandbox.ci.store import MULTIBRANCH, Build, Item

TIMER = ("hudson.triggers.TimerTrigger$TimerTriggerCause", "Started by timer")
SCM = ("hudson.triggers.SCMTrigger$SCMTriggerCause", "Started by an SCM change")
LOCAL = datetime.now().astimezone().tzinfo
WORSE = {"SUCCESS": 0, "UNSTABLE": 1, "FAILURE": 2, "NOT_BUILT": 3, "ABORTED": 4}
logger = logging.getLogger("sandbox.ci")


class Triggers:
    """One thread looks at the schedules once a minute; the rest is called."""

    def __init__(self, scheduler: Scheduler, branches: Branches) -> None:
        self._scheduler, self._branches = scheduler, branches
        self._stopping = threading.Event()
        scheduler.ended.append(self.job_ended)
        self._thread = threading.Thread(target=self._each_minute, name="timer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def tick(self, moment: datetime) -> None:
        """Starts and polls what is due in this minute."""
        for item in self._scheduler.store.items():
            if item.holds_items or item.disabled:
                continue
            for kind, spec in self._scheduler.definition(item).declared.triggers:
                if kind in ("cron", "pollSCM") and self._is_due(item, spec, moment):
                    if kind == "cron":
                        self._scheduler.submit(item, [plain_cause(*TIMER)])
                    else:
                        threading.Thread(target=self.poll, args=(item,), daemon=True).start()

    def poll(self, item: Item, cause: tuple[str, str] = SCM) -> bool:
        """Builds a job if its branch has moved since its last build; whether it has."""
        source = self._scheduler.definition(item).source
        if not source.url or item.disabled:
            return False
        try:
            given = self._scheduler.credential(item.path, source.credentials) if source.credentials else None
            head = self._scheduler.repositories.resolve(source.url, source.branch, given)
        except GitError as error:
            logger.warning("polling %s: %s", item.path, error)
            return False
        if item.state.get("built") == head.commit or item.state.get("polled") == head.commit:
            return False
        self._scheduler.store.change_item(item.id, state={**item.state, "polled": head.commit})
        self._scheduler.submit(item, [plain_cause(*cause)])
        return True

    def pushed(self, repository: str, branches: Iterable[str], user: str) -> list[str]:
        """A push to a hosted repository: the jobs that build now, or scan."""
        moved = set(branches)
        cause = ("com.cloudbees.jenkins.GitHubPushCause", f"Started by a push of {user}")
        told = []
        for item in self._jobs_of(lambda url: self._scheduler.repositories.hosted(url) == repository):
            if item.kind == MULTIBRANCH:
                self._branches.scan_soon(item)
                told.append(item.path)
            elif self._follows(item, moved) and self.poll(item, cause):
                told.append(item.path)
        return told

    def webhook(self, urls: Iterable[str], cause: tuple[str, str] = SCM) -> list[str]:
        """Someone says that a repository has changed: its jobs look for themselves."""
        wanted = {normal(url) for url in urls if url}
        hosted = {self._scheduler.repositories.hosted(url) for url in urls if url} - {None}
        told = []
        for item in self._jobs_of(
            lambda url: normal(url) in wanted or self._scheduler.repositories.hosted(url) in hosted
        ):
            if item.kind == MULTIBRANCH:
                self._branches.scan_soon(item)
                told.append(item.path)
            elif "branch" not in item.state and self.poll(item, cause):
                told.append(item.path)
        return told

    def generic(self, token: str, body: Any, query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, int]:
        """The generic webhook: jobs whose trigger has this token; path -> queue id."""
        started = {}
        for item in self._scheduler.store.items():
            if item.holds_items or item.disabled:
                continue
            definition = self._scheduler.definition(item)
            if token and token in (definition.generic_token, definition.auth_token):
                values = {key: _value(body, expression) for key, expression in definition.generic_variables}
                known = {each.name for each in definition.declared.parameters}
                values.update({name: value for name, value in query.items() if name in known})
                cause = plain_cause("org.jenkinsci.plugins.gwt.GenericCause", "Generic Cause")
                started[item.path] = self._scheduler.submit(item, [cause], values)
        return started

    def job_ended(self, item: Item, build: Build) -> None:
        """Starts the jobs that name this one as their upstream."""
        for other in self._scheduler.store.items():
            if other.holds_items or other.disabled or other.id == item.id:
                continue
            for kind, spec in self._scheduler.definition(other).declared.triggers:
                if kind == "upstream" and self._is_upstream(item, build, other, spec):
                    self._scheduler.submit(other, [upstream_cause(item.path, build.number, self._scheduler.url)])

    def _each_minute(self) -> None:
        while True:
            moment = datetime.now(LOCAL)
            if self._stopping.wait(60 - moment.second - moment.microsecond / 1e6):
                return
            try:
                self.tick(datetime.now(LOCAL))
            except Exception:
                logger.exception("the schedules of this minute")

    def _is_due(self, item: Item, spec: str, moment: datetime) -> bool:
        try:
            return Schedule(spec, item.path).due(moment)
        except ValueError as error:
            logger.warning("the schedule of %s: %s", item.path, error)
            return False

    def _jobs_of(self, is_it: Any) -> list[Item]:
        found = []
        for item in self._scheduler.store.items():
            source = self._scheduler.definition(item).source
            if source.url and not item.disabled and is_it(source.url):
                found.append(item)
        return found

    def _follows(self, item: Item, moved: set[str]) -> bool:
        if "branch" in item.state:  # a multibranch job's scan sees to its branches
            return False
        branch = self._scheduler.definition(item).source.branch.strip("*")
        return not branch or branch in moved

    def _is_upstream(self, item: Item, build: Build, other: Item, spec: str) -> bool:
        names, _, threshold = spec.partition("@")
        if WORSE.get(build.result, 4) > WORSE.get(threshold.strip() or "SUCCESS", 0):
            return False
        for name in names.split(","):
            found = self._scheduler.find_job(name.strip(), other.parent) if name.strip() else None
            if found is not None and found.id == item.id:
                return True
        return False


def normal(url: str) -> str:
    """The same for the ways to write one repository's address (https, ssh, with .git or without)."""
    if "://" not in url and ":" in url:
        host, _, path = url.partition(":")
        return f"{host.rpartition('@')[2]}/{path.removesuffix('.git').strip('/')}".lower()
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}/{parts.path.removesuffix('.git').strip('/')}".lower()


def _value(body: Any, expression: str) -> str:
    """What a path such as `$.repository.name` finds in a JSON body; empty for nothing."""
    found = body
    for part in expression.removeprefix("$").replace("[", ".").replace("]", "").split("."):
        if not part:
            continue
        if isinstance(found, Mapping):
            found = found.get(part.strip("'\""))
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return ""
    return "" if found is None else str(found)
