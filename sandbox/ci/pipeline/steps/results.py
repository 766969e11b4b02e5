"""Steps that keep what a build produced: artifacts, test results, reports."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sandbox.ci.groovy.values import Described, Remote
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import Result, TestCase
from sandbox.ci.pipeline import patterns
from sandbox.ci.pipeline.line import Line
from sandbox.ci.pipeline.objects import record, text
from sandbox.ci.pipeline.steps.files import copy
from sandbox.ci.pipeline.steps.registry import step


@step()
def archiveArtifacts(
    line: Line,
    artifacts: str,
    allowEmptyArchive: bool = False,
    caseSensitive: bool = True,
    defaultExcludes: bool = True,
    excludes: str = "",
    fingerprint: bool = False,
    followSymlinks: bool = True,
    onlyIfSuccessful: bool = False,
) -> None:
    """Keeps files with the build."""
    line.log("Archiving artifacts")
    if onlyIfSuccessful and (line.result or Result.SUCCESS) > Result.UNSTABLE:
        line.log("Skipped archiving because build is not successful")
        return
    chosen = list(patterns.files(line.folder, artifacts, excludes or "", defaultExcludes, caseSensitive))
    if not chosen:
        problem = f'No artifacts found that match the file pattern "{artifacts}". Configuration error?'
        if not allowEmptyArchive:
            raise Failure(problem)
        line.log(problem)
        return
    _archived(line, chosen)
    if fingerprint:
        line.log("Recording fingerprints")


def _archived(line: Line, paths: Iterable[str]) -> int:
    """Keeps files with the build; how many."""
    kept = list(paths)
    for path in kept:
        name = os.fsencode(path).decode(errors="replace")  # a web address and JSON take no bytes that are no UTF-8
        copy(line.folder / path, line.run.place.folder / "artifacts" / name)
        line.run.place.artifact(name)
    return len(kept)


@step()
def archive(line: Line, includes: str, excludes: str = "") -> None:
    """The older archiveArtifacts, which is content with nothing."""
    line.log("The archive step is deprecated, please use archiveArtifacts instead.")
    if not _archived(line, patterns.files(line.folder, includes, excludes or "")):
        without = f', excluding "{excludes}"' if excludes else ""
        line.log(f'No files found to archive for pattern "{includes}"{without}; continuing.')


@step(first="mapping")
def unarchive(line: Line, mapping: Any = None) -> None:
    """Brings artifacts of this build back into the workspace: `mapping: ['folder/': '.', 'a.txt': 'b.txt']`."""
    archived = line.run.place.folder / "artifacts"
    for wanted, target in (mapping or {}).items():
        folder = line.path(text(target))
        if (archived / wanted).is_file():
            copy(archived / wanted, folder)
            continue
        for path in patterns.files(archived, wanted):
            copy(archived / path, folder / path)


@step()
def fingerprint(
    line: Line, targets: str, excludes: str = "", caseSensitive: bool = True, defaultExcludes: bool = True
) -> None:
    """Writes the MD5 sums of files to the log."""
    line.log("Recording fingerprints")
    for path in patterns.files(line.folder, targets, excludes or "", defaultExcludes, caseSensitive):
        with (line.folder / path).open("rb") as file:
            line.log(f"{hashlib.file_digest(file, 'md5').hexdigest()}  {path}")


@step()
def junit(
    line: Line,
    testResults: str,
    allowEmptyResults: bool = False,
    keepLongStdio: bool = False,
    healthScaleFactor: Any = 1.0,
    skipPublishingChecks: bool = False,
    skipMarkingBuildUnstable: bool = False,
    skipOldReports: bool = False,
    checksName: str | None = None,
    testDataPublishers: Any = None,
    keepTestNames: bool = False,
    keepProperties: bool = False,
    stdioRetention: str | None = None,
) -> Remote:
    """Records test results from JUnit's XML; failed tests make the build unstable."""
    line.log("Recording test results")
    cases: list[TestCase] = []
    reports = list(patterns.files(line.folder, testResults)) if line.folder.exists() else []
    for path in reports:
        cases += _cases(line.folder / path)
    if not cases:
        problem = (
            "No test report files were found. Configuration error?"
            if not reports
            else "None of the test reports contained any result"
        )
        if not allowEmptyResults:
            raise Failure(problem)
        line.log(problem)
    line.run.place.tests(cases)
    failed = sum(case.status == "FAILED" for case in cases)
    skipped = sum(case.status == "SKIPPED" for case in cases)
    if failed and not skipMarkingBuildUnstable:
        line.worsen(Result.UNSTABLE)
        line.warn(Result.UNSTABLE, f"{failed} tests failed")
    passed = len(cases) - failed - skipped
    return record(line, {"totalCount": len(cases), "failCount": failed, "skipCount": skipped, "passCount": passed})


def _cases(file: Path) -> list[TestCase]:
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except ElementTree.ParseError as error:
        return [
            TestCase(
                file.name,
                file.stem,
                "[failed-to-read]",
                "FAILED",
                0,
                f"Failed to read test report file {file}",
                str(error),
            )
        ]
    suites = [root] if root.tag == "testsuite" else list(root.iter("testsuite"))
    return [_case(suite, case) for suite in suites for case in suite.findall("testcase")]


def _case(suite: ElementTree.Element, case: ElementTree.Element) -> TestCase:
    problem = case.find("failure")
    problem = case.find("error") if problem is None else problem
    skipped = case.find("skipped")
    status = "FAILED" if problem is not None else "SKIPPED" if skipped is not None else "PASSED"
    told = problem if problem is not None else skipped
    suite_name = suite.get("name") or ""
    try:
        seconds = float((case.get("time") or "0").replace(",", ""))
    except ValueError:
        seconds = 0.0
    return TestCase(
        suite_name,
        case.get("classname") or suite_name,
        case.get("name") or "",
        status,
        seconds,
        (told.get("message") or "") if told is not None else "",
        (told.text or "") if told is not None else "",
        case.findtext("system-out") or "",
        case.findtext("system-err") or "",
    )


@step()
def publishHTML(line: Line, target: Any) -> None:
    """Keeps a folder of HTML with the build: `[reportDir: ..., reportFiles: 'index.html', reportName: ...]`."""
    options = target.arguments if hasattr(target, "arguments") else target
    name = text(options.get("reportName") or "HTML Report")
    folder = line.path(text(options.get("reportDir") or "."))
    line.log("[htmlpublisher] Archiving HTML reports...")
    line.log(f"[htmlpublisher] Archiving at BUILD level {folder} to {name.replace(' ', '_20')}")
    if not folder.is_dir():
        line.log(f"ERROR: Specified HTML directory '{folder}' does not exist.")
        if not options.get("allowMissing"):
            line.worsen(Result.FAILURE)
        return
    safe = "".join(c if c.isalnum() else "_" for c in name)
    for path in patterns.files(folder, text(options.get("includes") or "**/*")):
        copy(folder / path, line.run.place.folder / "reports" / safe / path)


STEPS_OF_CLASSES = {
    "ArtifactArchiver": "archiveArtifacts",
    "JUnitResultArchiver": "junit",
    "Fingerprinter": "fingerprint",
    "HtmlPublisher": "publishHTML",
    "WsCleanup": "cleanWs",
    "Mailer": "mail",
}


@step("step")
def of_class(line: Line, delegate: Any) -> Any:
    """The older way to call a step: `step([$class: 'ArtifactArchiver', artifacts: 'x'])`."""
    options = delegate.arguments if isinstance(delegate, Described) else dict(delegate)
    name = text(options.get("$class", "")).rsplit(".", 1)[-1]
    if isinstance(delegate, Described):
        name = delegate.symbol
    elif name in STEPS_OF_CLASSES:
        name = STEPS_OF_CLASSES[name]
    given = {key: value for key, value in options.items() if key != "$class"}
    return line.run.serve(line, name, [given] if given else [])
