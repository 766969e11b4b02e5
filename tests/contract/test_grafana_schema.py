"""Dashboards hold nothing that Grafana of the pinned version would not know, by Grafana's own types."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from sandbox.resources import compose_folder

from ..dashboards import FILES, panels, read

EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def schema(npm: Path) -> dict[str, Any]:
    """The JSON Schema of everything in npm/dashboards.ts."""
    generator = npm / "node_modules" / ".bin" / "ts-json-schema-generator"
    command = [generator, "--path", "dashboards.ts", "--type", "Everything", "--tsconfig", "tsconfig.json"]
    done = subprocess.run(command, cwd=npm, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def problems(schema: dict[str, Any], dashboard: dict[str, Any]) -> Iterator[str]:
    """What is wrong: the dashboard as a whole, and each panel's own options and queries."""
    definitions = schema["definitions"]

    def check(part: dict[str, Any], data: object, place: str) -> Iterator[str]:
        for error in Draft7Validator({**part, "definitions": definitions}).iter_errors(data):
            yield f"{place} {error.json_path}: {error.message[:200]}"

    everything = definitions["Everything"]["properties"]
    types = definitions["Panels"]["properties"]
    targets = definitions["Targets"]["properties"]
    yield from check(everything["dashboard"], dashboard, "dashboard")
    for panel in panels(dashboard):
        kind, title = panel["type"], panel.get("title", "")
        if kind not in types:
            yield f"{title}: no schema for panels of the type {kind}"
            continue
        part, fields = types[kind]["properties"], panel.get("fieldConfig", {})
        yield from check(part["options"], panel.get("options", {}), f"{title}: options")
        yield from check(part["custom"], fields.get("defaults", {}).get("custom", {}), f"{title}: custom")
        for override in fields.get("overrides", []):
            custom = {p["id"][7:]: p["value"] for p in override["properties"] if p["id"].startswith("custom.")}
            yield from check(part["custom"], custom, f"{title}: override")
        for target in panel.get("targets", []):
            yield from check(targets[target["datasource"]["type"]], target, f"{title}: query")


@EACH
def test_dashboard_is_what_grafana_expects(schema: dict[str, Any], path: Path) -> None:
    assert list(problems(schema, read(path))) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("refrsh", "5s"),
        ("panels.0.gridPos.w", "wide"),
        ("panels.0.options.graphMod", "area"),
        ("panels.0.options.colorMode", "shiny"),
        ("panels.0.targets.0.exp", "up"),
        ("panels.0.fieldConfig.defaults.unitt", "s"),
    ],
)
def test_schema_rejects_what_grafana_would_ignore(schema: dict[str, Any], place: str, value: object) -> None:
    dashboard = copy.deepcopy(read(next(path for path in FILES if path.stem == "overview")))
    thing: Any = dashboard
    *way, last = place.split(".")
    for step in way:
        thing = thing[int(step) if step.isdigit() else step]
    thing[last] = value
    assert list(problems(schema, dashboard))


def test_schema_is_of_the_grafana_that_runs(npm: Path) -> None:
    package = json.loads((npm / "package.json").read_text())
    [image] = re.findall(r"grafana/grafana:([\d.]+)", (compose_folder() / "grafana.yml").read_text())
    assert package["devDependencies"]["@grafana/schema"] == image
