"""Steps that bring other Groovy."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from sandbox.ci.groovy.values import Remote
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.pipeline.line import Body, Line
from sandbox.ci.pipeline.objects import record
from sandbox.ci.pipeline.steps.files import content
from sandbox.ci.pipeline.steps.registry import step


@step()
def library(line: Line, identifier: str, changelog: bool = True, retriever: Any = None) -> Remote:
    """Loads a shared library, `name` or `name@version`."""
    line.run.load_library(identifier)
    return record(line, {"version": identifier.partition("@")[2]})


@step()
def libraryResource(line: Line, resource: str, encoding: str | None = None) -> str:
    """The text of a file in resources/ of a shared library."""
    for folder in line.run.libraries.values():
        base = (folder / "resources").resolve()
        file = (base / resource).resolve()
        if file.is_relative_to(base) and file.is_file():
            data = file.read_bytes()
            return base64.b64encode(data).decode() if encoding == "Base64" else data.decode(encoding or "utf-8")
    raise Failure(f"No such library resource {resource} could be found.")


@step()
def load(line: Line, path: str) -> Any:
    """Runs a Groovy file of the workspace; gives what it returns, usually itself."""
    source = content(line, path).decode("utf-8", "replace")
    return line.strand.load(source, f"Script{Path(path).stem}")


@step()
def withContext(line: Line, context: Any, body: Body) -> Any:
    """Only runs the block."""
    return body()
