"""Steps that read and write JSON, YAML, properties and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox import yamlfile
from sandbox.ci.groovy.values import Opaque, as_json
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.pipeline.line import Line, expand
from sandbox.ci.pipeline.objects import text as shown
from sandbox.ci.pipeline.steps.files import content, put
from sandbox.ci.pipeline.steps.registry import step

ARGUMENTS = "java.lang.IllegalArgumentException"


def _some(line: Line, step: str, file: str | None, text: str | None) -> None:
    if not file and not text:
        raise Failure(f"At least one of file or text needs to be provided to {step}.", ARGUMENTS)


def _source(line: Line, step: str, file: str | None, text: str | None) -> str:
    _some(line, step, file, text)
    if file and text:
        raise Failure(f"At most one of file or text must be provided to {step}.", ARGUMENTS)
    return content(line, file).decode("utf-8", "replace") if file else str(text)


@step()
def readJSON(line: Line, file: str | None = None, text: str | None = None, returnPojo: bool = False) -> Any:
    """JSON from a file or a text, as maps and lists that print as JSON; with `returnPojo`, as Groovy's own."""
    source = _source(line, "readJSON", file, text)
    try:
        read = json.loads(source)
        return read if returnPojo else as_json(read)
    except ValueError as error:
        raise Failure(f"Invalid JSON String: {error}", "net.sf.json.JSONException") from None


@step()
def writeJSON(line: Line, json: Any, file: str | None = None, pretty: int = 0, returnText: bool = False) -> str | None:
    """Writes maps and lists as JSON, to a file or into a text."""
    from json import dumps

    written = dumps(plain(json), indent=pretty or None, ensure_ascii=False, separators=None if pretty else (",", ":"))
    return _written(line, written, file, returnText, "writeJSON")


def _written(line: Line, written: str, file: str | None, return_text: bool, step: str) -> str | None:
    if return_text:
        return written
    if not file:
        raise Failure(f"You have to provided a file for {step}.", ARGUMENTS)
    put(line, file, written.encode())
    return None


def plain(value: Any) -> Any:
    """A value without objects of Groovy's."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.text if isinstance(value, Opaque) else value


@step()
def readYaml(
    line: Line,
    file: str | None = None,
    text: str | None = None,
    codePointLimit: int = 0,
    maxAliasesForCollections: int = 0,
) -> Any:
    """YAML from a file or a text, or from both as one; a list if there are several documents."""
    _some(line, "readYaml", file, text)
    source = "\n".join([*([content(line, file).decode("utf-8", "replace")] if file else []), text or ""])
    try:
        documents = yamlfile.documents(source)
    except ValueError as error:
        raise Failure(str(error), "org.yaml.snakeyaml.error.YAMLException") from None
    return documents[0] if len(documents) == 1 else documents


@step()
def writeYaml(
    line: Line,
    file: str | None = None,
    data: Any = None,
    datas: Any = None,
    charset: str | None = None,
    overwrite: bool = False,
    returnText: bool = False,
) -> str | None:
    """Writes maps and lists as YAML, to a file or into a text."""
    if data is None and datas is None:
        raise Failure("data or datas parameter must be provided to writeYaml", ARGUMENTS)
    if file and not overwrite and line.path(file).exists():
        raise Failure(f"{file} already exist in {line.folder}.", "java.nio.file.FileAlreadyExistsException")
    documents = datas if datas is not None else [data]
    written = "---\n".join(yamlfile.dump(plain(document)) for document in documents)
    return _written(line, written, file, returnText, "writeYaml")


@step()
def readProperties(
    line: Line,
    file: str | None = None,
    text: str | None = None,
    defaults: Any = None,
    interpolate: bool = False,
    charset: str | None = None,
) -> dict[str, str]:
    """Java properties from a file, a text or both, over defaults."""
    _some(line, "readProperties", file, text)
    found = {key: shown(value) for key, value in (defaults or {}).items()}
    if file:
        if line.path(file).exists():
            found |= properties_of(content(line, file).decode("utf-8", "replace"))
        else:
            raise Failure(f"{line.path(file)} does not exist.")
    if text:
        found |= properties_of(text)
    return _interpolated(found) if interpolate else found


def _interpolated(found: Mapping[str, str]) -> dict[str, str]:
    """Values with the properties they name put in; all as they were if some name each other in a circle."""
    values = dict(found)
    for _ in found:
        before, values = values, {key: expand(value, found) for key, value in values.items()}
        if values == before:
            return values
    return dict(found)


def properties_of(source: str) -> dict[str, str]:
    """A .properties text: `key=value`, `key: value`, comments, continued lines, escapes."""
    found = {}
    lines = iter(source.splitlines())
    for raw in lines:
        entry = raw.strip()
        if not entry or entry[0] in "#!":
            continue
        while entry.endswith("\\") and not entry.endswith("\\\\"):
            entry = entry[:-1] + next(lines, "").strip()
        cut = next((i for i, c in enumerate(entry) if c in "=:" or c.isspace()), len(entry))
        key, value = entry[:cut], entry[cut:].lstrip()
        value = value[1:].lstrip() if value[:1] in ("=", ":") else value
        found[key] = (
            value.replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace("\\=", "=")
            .replace("\\:", ":")
            .replace("\\\\", "\\")
        )
    return found


@step()
def readCSV(line: Line, file: str | None = None, text: str | None = None, format: Any = None) -> list[list[str]]:
    """Rows of comma separated values."""
    return list(csv.reader(io.StringIO(_source(line, "readCSV", file, text))))


@step()
def writeCSV(line: Line, file: str, records: Sequence[Any], format: Any = None) -> None:
    """Writes rows as comma separated values."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([shown(cell) for cell in row] for row in records)
    put(line, file, out.getvalue().encode())
