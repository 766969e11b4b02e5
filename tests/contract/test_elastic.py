"""The Elastic stack's files, as far as they can be checked without it: grammar, references, sizes, one shape."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from logstash_pipeline_parser import Pipeline

from dashboards import kibana
from sandbox import catalogue, variables
from sandbox.resources import compose_folder, configs_folder

STACK = ("elasticsearch", "kibana", "logstash", "filebeat")
CATALOGUE = catalogue.read(compose_folder(), configs_folder())
PIPELINES = sorted(configs_folder().glob("*/logstash/*.conf")) + sorted(
    (configs_folder() / "logstash").glob("[pr]*/*.conf")
)
LINES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "lines.yml").read_text())
OBJECTS = [json.loads(line) for line in (configs_folder() / "kibana" / "objects.ndjson").read_text().splitlines()]
SHIPPER = compose_folder() / "apps" / "shipper"


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_pipeline_can_be_parsed(path: Path) -> None:
    sections = Pipeline(path.read_text()).parse()
    assert {section[0] for section in sections} <= {"input", "filter", "output"}


@pytest.fixture
def shipper(monkeypatch: pytest.MonkeyPatch) -> Shipper:
    monkeypatch.syspath_prepend(str(SHIPPER))
    return Shipper()


class Shipper:
    """The shipper's rules: what becomes of a line by each way in."""

    def documents(self, way: str, text: str) -> list[dict[str, Any]]:
        from shipper.inputs import Inputs

        if way == "container":
            return self.printed(text)
        inputs = Inputs("demo", lambda: None, None)
        if way == "http":
            bodies = [inputs.http_body(json.dumps({"message": text}).encode(), "application/json")]
            bodies.append(inputs.http_body(text.encode(), "text/plain"))
            return [made[2] for body in bodies for made in body]
        make = {"tcp": inputs.json_line, "syslog": inputs.syslog_line, "gelf": inputs.gelf_message}[way]
        return [make(text.encode())[2]]

    def printed(self, text: str) -> list[dict[str, Any]]:
        from shipper.docker import Container, Line
        from shipper.documents import document
        from shipper.traces import Traces

        container = Container("c" * 64, "demo-1", "demo:1", "demo", "demo", True)
        traces, time = Traces(), "2026-11-24T10:00:00Z"
        lines = traces.joined(Line(container, time, one) for one in [*text.split("\n"), "{}"])
        return [document(line, "demo")[2] for line in lines[:-1]]


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(line["name"]))
def test_shipper_makes_the_document_that_is_specified(line: dict[str, Any], shipper: Shipper) -> None:
    for way in [line["way"]] if "way" in line else ["container", "http"]:
        made = shipper.documents(way, line["line"])
        assert len(made) == (2 if way == "http" else 1)
        for found in made:
            assert {name: found.get(name) for name in line["has"]} == line["has"], way


@pytest.fixture(scope="module")
def logstash() -> Logstash:
    return Logstash()


class Logstash:
    """Its scripts, run by a real Ruby: what becomes of all lines at once, by way and text."""

    def documents(self, script: str, sent: list[tuple[str, str]]) -> list[dict[str, Any]]:
        program = Path(__file__).parent / "understand_lines.rb"
        command = ["ruby", str(program), str(configs_folder() / "logstash" / script)]
        done = subprocess.run(command, input=json.dumps(sent), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [flat(document) for document in json.loads(done.stdout)]


def flat(source: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in source.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def test_logstashs_script_makes_the_documents_that_are_specified(logstash: Logstash) -> None:
    sent = [(way, line) for line in LINES for way in ([line["way"]] if "way" in line else ["container", "http"])]
    made = logstash.documents("logstash/understand.rb", [(way, line["line"]) for way, line in sent])
    for (way, line), found in zip(sent, made, strict=True):
        assert {name: found.get(name) for name in line["has"]} == line["has"], (way, line["name"])


def test_logstash_keeps_refused_documents_as_text(logstash: Logstash) -> None:
    [found] = logstash.documents("refused/refused.rb", [("http", "no number")])
    assert (found["tags"], found["message"]) == (["refused"], '{"message":"no number"}')


def test_both_stores_shape_logs_alike() -> None:
    light = json.loads((compose_folder() / "apps/logstore/logstore/templates/logs.json").read_text())
    full = json.loads((configs_folder() / "elasticsearch" / "index-template.json").read_text())
    assert full["template"] == light["template"]
    assert "data_stream" in full


def test_one_version_and_less_than_three_gigabytes() -> None:
    containers = [container for name in STACK for container in CATALOGUE.services[name].containers]
    images = {variables.expand(c.image, {}) for c in containers if "docker.elastic.co" in c.image}
    assert {image.rpartition(":")[2] for image in images} == {"9.5.6"}
    assert sum(variables.size(variables.expand(container.memory, {})) for container in containers) < 3 * 1024**3


def test_kibanas_objects_are_what_make_dashboards_writes() -> None:
    assert (configs_folder() / "kibana" / "objects.ndjson").read_text(encoding="utf-8") == kibana.TEXT


def test_kibanas_objects_refer_to_one_another() -> None:
    there = {(entry["type"], entry["id"]) for entry in OBJECTS}
    assert len(there) == len(OBJECTS)
    for entry in OBJECTS:
        assert entry["typeMigrationVersion"]
        names = {reference["name"] for reference in entry["references"]}
        assert all((reference["type"], reference["id"]) in there for reference in entry["references"]), entry["id"]
        panels = json.loads(entry["attributes"].get("panelsJSON", "[]"))
        assert names >= {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}
        source = json.loads(entry["attributes"].get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}"))
        assert source.get("indexRefName", "") in ("", *names)
        for layer in layers(entry):
            assert f"indexpattern-datasource-layer-{layer}" in names


def layers(entry: dict[str, Any]) -> dict[str, Any]:
    state = entry["attributes"].get("state", {})
    return dict(state.get("datasourceStates", {}).get("formBased", {}).get("layers", {}))


def test_panels_lie_beside_one_another_and_hold_charts() -> None:
    dashboards = [entry for entry in OBJECTS if entry["type"] == "dashboard"]
    assert len(dashboards) == 3
    for entry in dashboards:
        panels = json.loads(entry["attributes"]["panelsJSON"])
        assert {"lens", "search"} == {panel["type"] for panel in panels}
        taken = [
            (x, y)
            for panel in panels
            for x in range(panel["gridData"]["x"], panel["gridData"]["x"] + panel["gridData"]["w"])
            for y in range(panel["gridData"]["y"], panel["gridData"]["y"] + panel["gridData"]["h"])
        ]
        assert len(taken) == len(set(taken))
        assert max(x for x, _ in taken) < 48


def known_fields() -> set[str]:
    template = json.loads((configs_folder() / "elasticsearch" / "index-template.json").read_text())

    def paths(properties: dict[str, Any], prefix: str = "") -> set[str]:
        found: set[str] = set()
        for name, spec in properties.items():
            found |= paths(spec["properties"], f"{prefix}{name}.") if "properties" in spec else {prefix + name}
        return found

    return paths(template["template"]["mappings"]["properties"])


def test_searches_and_charts_ask_for_fields_that_exist() -> None:
    known = known_fields()
    for entry in OBJECTS:
        attributes = entry["attributes"]
        assert set(attributes.get("columns", ())) <= known, entry["id"]
        texts = [attributes.get("state", {}).get("query", {}).get("query", "")]
        texts.append(
            json.loads(attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}"))
            .get("query", {})
            .get("query", "")
        )
        for text in texts:
            assert set(re.findall(r"([\w.@]+) (?::|>=)", text)) <= known, entry["id"]
        for layer in layers(entry).values():
            columns = layer["columns"]
            assert list(columns) == layer["columnOrder"]
            used = {column["sourceField"] for column in columns.values()}
            assert used <= known | {"___records___"}, entry["id"]
            shown = json.dumps(attributes["state"]["visualization"])
            assert all(f'"{column}"' in shown for column in columns), entry["id"]


@pytest.mark.parametrize("path", sorted((configs_folder() / "kibana" / "rules").iterdir()), ids=lambda path: path.stem)
def test_alert_asks_for_fields_that_exist(path: Path) -> None:
    rule = json.loads(path.read_text())
    query = json.loads(rule["params"]["esQuery"])["query"]
    assert rule["rule_type_id"] == ".es-query"
    assert rule["params"]["index"] == ["logs-*-sandbox"]
    assert set(query["terms"]) <= known_fields()


@pytest.mark.parametrize(
    "path", sorted(configs_folder().glob("*/*.sh")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_script_can_be_parsed(path: Path) -> None:
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_bodies_of_the_set_up_are_json_and_all_are_used() -> None:
    folder = configs_folder() / "elasticsearch"
    script = (folder / "setup.sh").read_text()
    for path in folder.glob("*.json"):
        assert isinstance(json.loads(path.read_text()), dict)
        assert f"$here/{path.name}" in script


def test_verify_elk_explains_itself() -> None:
    program = Path(__file__).parents[1] / "verify_elk.py"
    done = subprocess.run([sys.executable, str(program), "--help"], capture_output=True, text=True, check=True)
    assert "--elasticsearch" in done.stdout
