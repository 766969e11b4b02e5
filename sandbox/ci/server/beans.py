"""Jobs, builds, queue, agents and views as objects of the remote API, with Jenkins' classes and fields."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.ci.server import configuration
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.agents import BUILT_IN, Agent
from sandbox.ci.server.changes import change_sets, culprits
from sandbox.ci.server.exposed import Bean
from sandbox.ci.server.parameters import parameter_definition, parameter_value
from sandbox.ci.server.scheduler import Waiting
from sandbox.ci.store import FREESTYLE, MULTIBRANCH, PIPELINE, Build, Item, now

if TYPE_CHECKING:
    from sandbox.ci.server.server import Server

BUILD_CLASSES = {PIPELINE: "org.jenkinsci.plugins.workflow.job.WorkflowRun", FREESTYLE: "hudson.model.FreeStyleBuild"}
COLOURS = {"SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "NOT_BUILT": "notbuilt", "ABORTED": "aborted"}
PERMALINKS = {
    "lastBuild": "1",
    "lastCompletedBuild": "building = 0",
    "lastFailedBuild": "building = 0 AND result = 'FAILURE'",
    "lastStableBuild": "building = 0 AND result = 'SUCCESS'",
    "lastSuccessfulBuild": "building = 0 AND result IN ('SUCCESS', 'UNSTABLE')",
    "lastUnstableBuild": "building = 0 AND result = 'UNSTABLE'",
    "lastUnsuccessfulBuild": "building = 0 AND result <> 'SUCCESS'",
}
SHOWN_BUILDS = 100
QUEUE = "hudson.model.Queue$"
HEALTH_ICONS = ((80, "80plus"), (60, "60to79"), (40, "40to59"), (20, "20to39"), (0, "00to19"))


class Beans:
    """Makes the objects of one request; `url` is the server's address as the client knows it."""

    def __init__(self, server: Server, url: str) -> None:
        self._server, self.url = server, url
        self._store, self._scheduler = server.store, server.scheduler
        self._busy: frozenset[int] | None = None

    # The top and its views

    def root(self) -> Bean:
        agents = self._scheduler.agents
        fields = {
            "assignedLabels": [{"name": name} for name in self._labels(agents.all()[0])],
            "mode": "NORMAL",
            "nodeDescription": "the Jenkins controller's built-in node",
            "nodeName": "",
            "numExecutors": len(agents.all()[0].slots),
            "description": None,
            "jobs": lambda: self.items(""),
            "overallLoad": {},
            "primaryView": lambda: self.view("", "all", ""),
            "quietDownReason": None,
            "quietingDown": self._scheduler.quieting,
            "slaveAgentPort": -1,
            "unlabeledLoad": {"_class": "jenkins.model.UnlabeledLoadStatistics"},
            "url": self.url,
            "useCrumbs": True,
            "useSecurity": True,
            "views": lambda: self.views(""),
        }
        return Bean("hudson.model.Hudson", fields)

    def items(self, parent: str) -> list[Bean]:
        return [self.item(item) for item in self._store.children(parent)]

    def views(self, owner: str) -> list[Bean]:
        return [self.view(owner, name, xml) for name, xml in self.view_configs(owner).items()]

    def view_configs(self, owner: str) -> dict[str, str]:
        """All views of a folder, by name: first the one of everything, which needs no configuration."""
        return {all_view(owner): "", **self._store.views(owner)}

    def view(self, owner: str, name: str, xml: str) -> Bean:
        everything = name == all_view(owner)
        path = self.url + job_path(owner) + (f"view/{quote(name, safe='')}/" if not everything else "")
        fields = {
            "description": lambda: None if everything else (configuration.parse_xml(xml).findtext("description")),
            "jobs": lambda: [self.item(item) for item in view_items(self._store.children(owner), xml)],
            "name": name,
            "property": [],
            "url": path,
        }
        return Bean("hudson.model.AllView" if everything else view_class(xml), fields, ("name", "url"))

    # Jobs and folders

    def item(self, item: Item) -> Bean:
        url = self.url + job_path(item.path)
        common: dict[str, Any] = {
            "actions": [],
            "description": item.description,
            "displayName": item.display_name or item.name,
            "displayNameOrNull": item.display_name or None,
            "fullDisplayName": self.full_display_name(item),
            "fullName": item.path,
            "name": item.name,
            "url": url,
        }
        if item.holds_items:
            return self._folder(item, common)
        definition = partial(self._scheduler.definition, item)
        fields = {
            **common,
            "buildable": not item.disabled,
            "builds": lambda: [self.build(item, build) for build in self._store.builds(item.id, SHOWN_BUILDS)],
            "allBuilds": lambda: [self.build(item, build) for build in self._store.builds(item.id)],
            "color": lambda: self.colour(item),
            "firstBuild": lambda: self._found(item, "1", newest=False),
            "healthReport": lambda: self.health(item),
            "inQueue": lambda: self._scheduler.is_queued(item.id),
            "keepDependencies": False,
            **{name: partial(self._found, item, condition) for name, condition in PERMALINKS.items()},
            "nextBuildNumber": item.next_number,
            "property": lambda: self._properties(item),
            "queueItem": lambda: self._queue_item_of(item),
            "concurrentBuild": lambda: definition().declared.concurrent,
            "disabled": item.disabled,
        }
        if item.kind == FREESTYLE:
            fields.update(
                downstreamProjects=[], labelExpression=None, scm={"_class": "hudson.scm.NullSCM"}, upstreamProjects=[]
            )
        else:
            fields["resumeBlocked"] = False
        return Bean(configuration.CLASSES[item.kind], fields, ("name", "url", "color"), frozenset({"allBuilds"}))

    def full_display_name(self, item: Item) -> str:
        names, path = [item.display_name or item.name], item.parent
        while path:
            parent = self._store.item(path)
            names.insert(0, (parent.display_name if parent else "") or path.rpartition("/")[2])
            path = path.rpartition("/")[0]
        return " » ".join(names)

    def colour(self, item: Item) -> str:
        if item.holds_items:
            return "folder"
        last = self._store.find_build(item.id, "building = 0")
        base = "disabled" if item.disabled else COLOURS.get(last.result, "notbuilt") if last else "notbuilt"
        return f"{base}_anime" if item.id in self._busy_items() else base

    def health(self, item: Item) -> list[dict[str, Any]]:
        recent = [build for build in self._store.builds(item.id, 6) if not build.building][:5]
        if not recent:
            return []
        bad = sum(build.result == "FAILURE" for build in recent)
        score = 100 * (len(recent) - bad) // len(recent)
        if bad == 0:
            text = "No recent builds failed."
        elif bad == len(recent):
            text = "All recent builds failed."
        else:
            text = f"{bad} out of the last {len(recent)} builds failed."
        icon = next(name for least, name in HEALTH_ICONS if score >= least)
        return [
            {
                "description": f"Build stability: {text}",
                "iconClassName": f"icon-health-{icon}",
                "iconUrl": f"health-{icon}.png",
                "score": score,
            }
        ]

    # Builds

    def build(self, item: Item, build: Build) -> Bean:
        folder = self._server.home.build(item.id, build.number)
        url = f"{self.url}{job_path(item.path)}{build.number}/"
        name = build.display_name or f"#{build.number}"
        fields = {
            "actions": lambda: self._actions(item, build),
            "artifacts": lambda: [
                {"displayPath": path.name, "fileName": path.name, "relativePath": str(relative)}
                for path, relative in artifacts(folder)
            ],
            "building": build.building,
            "description": build.description or None,
            "displayName": name,
            "duration": build.duration,
            "estimatedDuration": lambda: self.estimate(item),
            "executor": lambda: {"_class": "hudson.model.OneOffExecutor"} if build.building else None,
            "fullDisplayName": lambda: f"{self.full_display_name(item)} {name}",
            "id": str(build.number),
            "inProgress": build.building,
            "keepLog": build.keep,
            "number": build.number,
            "queueId": build.queue_id,
            "result": build.result or None,
            "timestamp": build.started,
            "url": url,
            "changeSets": lambda: change_sets(self.url, folder),
            "culprits": lambda: culprits(self.url, folder),
            "nextBuild": lambda: self._found(item, f"number > {int(build.number)}", newest=False),
            "previousBuild": lambda: self._found(item, f"number < {int(build.number)}", newest=True),
        }
        return Bean(BUILD_CLASSES[item.kind], fields, ("number", "url"))

    def estimate(self, item: Item) -> int:
        """Milliseconds that a build takes, from the last good ones; -1 if there is none."""
        good = [b.duration for b in self._store.builds(item.id, 10) if b.result in ("SUCCESS", "UNSTABLE")][:3]
        return sum(good) // len(good) if good else -1

    # Queue

    def queue(self) -> Bean:
        fields = {
            "discoverableItems": [],
            "items": lambda: [self.waiting(waiting) for waiting in reversed(self._scheduler.waiting())],
        }
        return Bean("hudson.model.Queue", fields)

    def queue_item(self, id: int) -> Bean | None:
        """A waiting item, one that left to become a build, or a cancelled one."""
        if waiting := self._scheduler.queued(id):
            return self.waiting(waiting)
        if build := self._store.build_of_queue(id):
            item = self._store.item_by_id(build.item)
            if item:
                more = {"cancelled": False, "executable": lambda: self.build(item, build)}
                return self._queue_bean("LeftItem", id, item, build.queued, build.causes, build.parameters, None, more)
        if queued := self._scheduler.cancelled.get(id):
            item = self._store.item_by_id(queued.item)
            if item:
                more = {"cancelled": True, "executable": None}
                return self._queue_bean(
                    "LeftItem", id, item, queued.since, queued.causes, queued.parameters, None, more
                )
        return None

    def waiting(self, waiting: Waiting) -> Bean:
        queued = waiting.queued
        names = {"waiting": "WaitingItem", "blocked": "BlockedItem", "buildable": "BuildableItem"}
        more: dict[str, Any] = {"buildableStartMilliseconds": max(queued.since, queued.ready)}
        if waiting.state == "waiting":
            more = {"timestamp": queued.ready}
        elif waiting.state == "buildable":
            more["pending"] = False
        return self._queue_bean(
            names[waiting.state],
            queued.id,
            waiting.item,
            queued.since,
            queued.causes,
            queued.parameters,
            waiting.why,
            {"blocked": waiting.state == "blocked", "buildable": waiting.state == "buildable", **more},
        )

    # Agents

    def computers(self) -> Bean:
        agents = self._scheduler.agents.all()
        fields = {
            "busyExecutors": sum(agent.busy for agent in agents),
            "computer": lambda: [self.computer(agent) for agent in agents],
            "displayName": "Nodes",
            "totalExecutors": sum(len(agent.slots) for agent in agents),
        }
        return Bean("hudson.model.ComputerSet", fields)

    def computer(self, agent: Agent) -> Bean:
        first = agent.name == BUILT_IN
        fields = {
            "actions": [],
            "assignedLabels": [{"name": name} for name in self._labels(agent)],
            "description": agent.description,
            "displayName": "Built-In Node" if first else agent.name,
            "executors": lambda: [self._executor(agent, index) for index in range(len(agent.slots))],
            "icon": "symbol-computer-offline" if agent.offline else "symbol-computer",
            "iconClassName": "symbol-computer-offline" if agent.offline else "symbol-computer",
            "idle": agent.busy == 0,
            "jnlpAgent": False,
            "launchSupported": False,
            "loadStatistics": {"_class": "hudson.model.Label$1"},
            "manualLaunchAllowed": not first,
            "monitorData": {},
            "numExecutors": len(agent.slots),
            "offline": agent.offline,
            "offlineCause": {"_class": "hudson.slaves.OfflineCause$UserCause"} if agent.offline else None,
            "offlineCauseReason": agent.offline_reason,
            "oneOffExecutors": lambda: self._one_off(agent) if first else [],
            "temporarilyOffline": agent.offline,
        }
        cls = "hudson.model.Hudson$MasterComputer" if first else "hudson.slaves.SlaveComputer"
        return Bean(cls, fields, tuple(fields))

    # Inside

    def _folder(self, item: Item, common: Mapping[str, Any]) -> Bean:
        fields = {
            **common,
            "healthReport": [],
            "jobs": lambda: self.items(item.path),
            "primaryView": lambda: self.view(item.path, all_view(item.path), ""),
            "views": lambda: self.views(item.path),
        }
        if item.kind == MULTIBRANCH:
            fields.update(disabled=item.disabled, sources=[{}])
        return Bean(configuration.CLASSES[item.kind], fields, ("name", "url"))

    def _found(self, item: Item, condition: str, newest: bool = True) -> Bean | None:
        build = self._store.find_build(item.id, condition, newest)
        return self.build(item, build) if build else None

    def _busy_items(self) -> frozenset[int]:
        if self._busy is None:
            self._busy = frozenset(build.item.id for build in self._scheduler.running())
        return self._busy

    def _queue_item_of(self, item: Item) -> Bean | None:
        return next((self.waiting(each) for each in self._scheduler.waiting() if each.item.id == item.id), None)

    def _properties(self, item: Item) -> list[dict[str, Any]]:
        declared = self._scheduler.definition(item).declared
        found: list[dict[str, Any]] = []
        if declared.parameters:
            found.append(
                {
                    "_class": "hudson.model.ParametersDefinitionProperty",
                    "parameterDefinitions": [parameter_definition(each) for each in declared.parameters],
                }
            )
        if declared.keep_builds:
            found.append({"_class": "jenkins.model.BuildDiscarderProperty"})
        if declared.triggers and item.kind == PIPELINE:
            found.append({"_class": "org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty"})
        return found

    def _actions(self, item: Item, build: Build) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if build.parameters:
            values = self._parameter_values(item, build.parameters)
            found.append({"_class": "hudson.model.ParametersAction", "parameters": values})
        found.append({"_class": "hudson.model.CauseAction", "causes": list(build.causes)})
        if build.source.get("commit"):
            branch = {"SHA1": build.source["commit"], "name": f"refs/remotes/origin/{build.source.get('branch', '')}"}
            found.append(
                {
                    "_class": "hudson.plugins.git.util.BuildData",
                    "buildsByBranchName": {},
                    "lastBuiltRevision": {"SHA1": build.source["commit"], "branch": [branch]},
                    "remoteUrls": [build.source.get("url", "")],
                    "scmName": "",
                }
            )
        if build.has_tests:
            found.append(
                {
                    "_class": "hudson.tasks.junit.TestResultAction",
                    "failCount": build.failed,
                    "skipCount": build.skipped,
                    "totalCount": build.passed + build.failed + build.skipped,
                    "urlName": "testReport",
                }
            )
        return found

    def _parameter_values(self, item: Item, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        kinds = {each.name: each.kind for each in self._scheduler.definition(item).declared.parameters}
        return [parameter_value(name, value, kinds.get(name, "")) for name, value in values.items()]

    def _queue_bean(
        self,
        name: str,
        id: int,
        item: Item,
        since: int,
        causes: Sequence[Mapping[str, Any]],
        parameters: Mapping[str, Any],
        why: str | None,
        more: Mapping[str, Any],
    ) -> Bean:
        values = self._parameter_values(item, parameters)
        actions: list[dict[str, Any]] = [{"_class": "hudson.model.CauseAction", "causes": list(causes)}]
        if values:
            actions.insert(0, {"_class": "hudson.model.ParametersAction", "parameters": values})
        fields = {
            "actions": actions,
            "blocked": False,
            "buildable": False,
            "id": id,
            "inQueueSince": since,
            "params": "".join(f"\n{value['name']}={value.get('value', '')}" for value in values),
            "stuck": why is not None and _age(since) > 60_000 * 60,
            "task": lambda: self.item(item),
            "url": f"queue/item/{id}/",
            "why": why,
            **more,
        }
        return Bean(QUEUE + name, fields, tuple(fields))

    def _labels(self, agent: Agent) -> list[str]:
        return sorted({*agent.labels, agent.name})

    def _executor(self, agent: Agent, index: int) -> Bean:
        id = agent.slots[index]
        build = self._store.build_by_id(id) if id is not None else None
        item = self._store.item_by_id(build.item) if build else None
        fields: dict[str, Any] = {
            "currentExecutable": lambda: self._executable(item, build) if item and build else None,
            "idle": build is None,
            "likelyStuck": False,
            "number": index,
            "progress": self.progress(item, build) if item and build else -1,
        }
        return Bean("hudson.model.Executor", fields)

    def progress(self, item: Item, build: Build) -> int:
        """Percent, by what builds took before; -1 if nothing is known."""
        estimate = self.estimate(item)
        return min(99, 100 * _age(build.started) // estimate) if estimate > 0 else -1

    def _executable(self, item: Item, build: Build) -> Bean:
        if item.kind == FREESTYLE:
            return self.build(item, build)
        cls = "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask$PlaceholderExecutable"
        url = f"{self.url}{job_path(item.path)}{build.number}/"
        name = f"part of {self.full_display_name(item)} #{build.number}"
        fields = {"displayName": name, "fullDisplayName": name, "number": build.number, "timestamp": build.started}
        return Bean(cls, {**fields, "url": url}, ("number", "url"))

    def _one_off(self, agent: Agent) -> list[Bean]:
        found = []
        for index, running in enumerate(self._scheduler.running()):
            record = self._store.build_by_id(running.record.id)
            if record and running.item.kind != FREESTYLE:
                fields = {
                    "currentExecutable": self.build(running.item, record),
                    "idle": False,
                    "likelyStuck": False,
                    "number": index,
                    "progress": self.progress(running.item, record),
                }
                found.append(Bean("hudson.model.OneOffExecutor", fields))
        return found


def all_view(owner: str) -> str:
    """Jenkins names it so at the top, and otherwise in folders."""
    return "All" if owner else "all"


def view_class(xml: str) -> str:
    return configuration.parse_xml(xml).tag


def view_items(items: Sequence[Item], xml: str) -> list[Item]:
    """Those of a folder's items that a list view shows; all for the view of everything."""
    if not xml:
        return list(items)
    root = configuration.parse_xml(xml)
    names = {element.text for element in root.iterfind("jobNames/string")}
    pattern = root.findtext("includeRegex")
    try:
        regex = re.compile(pattern) if pattern else None
    except re.error:
        regex = None
    return [item for item in items if item.name in names or (regex and regex.fullmatch(item.name))]


def artifacts(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Each archived file, and its path below the archive; sorted."""
    root = folder / "artifacts"
    found = []
    for parent, folders, names in os.walk(root):
        folders.sort()
        found += [Path(parent) / name for name in names]
    for path in sorted(found):
        if not path.is_symlink():
            yield path, path.relative_to(root)


def _age(moment: int) -> int:
    return max(0, now() - moment)
