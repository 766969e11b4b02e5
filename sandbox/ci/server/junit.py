"""What a build's tests did, as an object of the remote API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.ci.server.exposed import Bean
from sandbox.ci.server.home import Home, read_json
from sandbox.ci.store import Build, Item, Store


def test_report(store: Store, home: Home, item: Item, build: Build) -> Bean | None:
    cases = read_json(home.build(item.id, build.number) / "tests.json", None)
    if cases is None:
        return None
    before = _failures_before(store, home, item, build)
    suites: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        suites.setdefault(case["suite"], []).append(case)
    fields = {
        "duration": sum(case["duration"] for case in cases),
        "empty": not cases,
        "failCount": build.failed,
        "passCount": build.passed,
        "skipCount": build.skipped,
        "suites": [_suite(build, name, members, before) for name, members in suites.items()],
    }
    return Bean("hudson.tasks.junit.TestResult", fields)


def _failures_before(store: Store, home: Home, item: Item, build: Build) -> dict[tuple[str, str], int]:
    """Tests that failed in the build with tests before this one; since which build."""
    before = store.find_build(item.id, f"number < {int(build.number)} AND passed + failed + skipped > 0")
    if before is None or not before.failed:
        return {}
    cases = read_json(home.build(item.id, before.number) / "tests.json", [])
    return {(c["class_name"], c["name"]): before.number for c in cases if c["status"] == "FAILED"}


def _suite(
    build: Build, name: str, cases: list[dict[str, Any]], before: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    return {
        "cases": [_case(build, case, before) for case in cases],
        "duration": sum(case["duration"] for case in cases),
        "enclosingBlockNames": [],
        "enclosingBlocks": [],
        "id": None,
        "name": name,
        "nodeId": None,
        "stderr": None,
        "stdout": None,
        "timestamp": None,
    }


def _case(build: Build, case: Mapping[str, Any], before: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    since = before.get((case["class_name"], case["name"]))
    status = case["status"]
    if status == "FAILED" and since is None:
        status = "REGRESSION"
    elif status == "PASSED" and since is not None:
        status = "FIXED"
    failed = case["status"] == "FAILED"
    return {
        "testActions": [],
        "age": build.number - (since or build.number) + 1 if failed else 0,
        "className": case["class_name"],
        "duration": case["duration"],
        "errorDetails": (case["message"] or None) if failed else None,
        "errorStackTrace": (case["details"] or None) if failed else None,
        "failedSince": (since or build.number) if failed else 0,
        "name": case["name"],
        "skipped": case["status"] == "SKIPPED",
        "skippedMessage": (case["message"] or None) if case["status"] == "SKIPPED" else None,
        "status": status,
        "stderr": case["stderr"] or None,
        "stdout": case["stdout"] or None,
    }
