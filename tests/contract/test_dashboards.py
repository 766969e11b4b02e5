"""Dashboards fit together and teach: no Grafana is needed to see that."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from dashboards.__main__ import written
from sandbox import catalogue
from sandbox.render import render
from sandbox.resources import compose_folder, configs_folder

from ..dashboards import FILES, NEEDS, VARIABLE, panels, promql, queries, read

CATALOGUE = catalogue.read(compose_folder(), configs_folder())
SOURCES = {
    (source["type"], source["uid"])
    for path in configs_folder().glob("*/datasources.yml")
    for source in yaml.safe_load(path.read_text())["datasources"]
}
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def source(thing: dict[str, Any]) -> tuple[str, str]:
    return thing["datasource"]["type"], thing["datasource"]["uid"]


def test_every_chosen_part_has_a_dashboard() -> None:
    assert {path.stem for path in FILES} >= {
        "overview", "prometheus", "gateway", "computer", "containers", "storefront", "delivery", "orders", "aws", "ci",
        "logs", "elasticsearch", "probes",
    }  # fmt: skip
    assert {source for source, _ in SOURCES} == {"prometheus", "alertmanager", "elasticsearch"}


@EACH
def test_file_is_what_make_dashboards_writes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == written()[path]


def test_elasticsearch_is_asked_for_what_its_exporter_tells() -> None:
    """Elasticsearch does not run everywhere, but its exporter's own names are known."""
    [version] = re.findall(r"elasticsearch-exporter:v([\d.]+)", CATALOGUE.services["elasticsearch"].text)
    known = (Path(__file__).parent / f"elasticsearch-exporter-{version}.txt").read_text().split()
    asked = {name for _, _, query in queries() for name in re.findall(r"\belasticsearch_\w+", query)}
    assert asked
    assert asked <= set(known)


def test_uids_and_titles_are_unique() -> None:
    for key in ("uid", "title"):
        found = [read(path)[key] for path in FILES]
        assert len(set(found)) == len(found), found
        assert all(found)


@EACH
def test_dashboard_is_part_of_the_set(path: Path) -> None:
    dashboard = read(path)
    assert path.parts[-3] in CATALOGUE.services
    assert dashboard["schemaVersion"] == 42  # of Grafana 12: an older one is migrated in the browser at each look
    assert dashboard["description"].endswith((".", "?"))
    assert "sandbox" in dashboard["tags"]
    assert [link["tags"] for link in dashboard["links"] if link["type"] == "dashboards"] == [["sandbox"]]
    assert all(source(annotation) in SOURCES for annotation in dashboard["annotations"]["list"])


@EACH
def test_panel_says_what_it_shows(path: Path) -> None:
    for panel in panels(read(path)):
        assert len(panel["description"]) > 15, panel["title"]
        assert all(name in CATALOGUE.services for name in NEEDS.findall(panel["description"])), panel["title"]
        if panel["type"] != "text":
            assert panel["title"]
            assert re.search(r"\bGood: ", panel["description"]), f"{panel['title']}: what does good look like?"
            assert source(panel) in SOURCES, panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["targets"], panel["title"]
            assert all(source(target) in SOURCES for target in panel["targets"]), panel["title"]


@EACH
def test_panels_lie_side_by_side(path: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    ids = [panel["id"] for panel in panels(read(path))]
    assert len(set(ids)) == len(ids)
    for panel in read(path)["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"], f"{panel['title']} at {x}, {y}"


@pytest.mark.parametrize("expression", [pytest.param(query, id=name) for name, _, query in queries()])
def test_query_is_promql(expression: str) -> None:
    assert promql_parser.parse(expression)


@EACH
def test_annotation_is_promql(path: Path) -> None:
    for annotation in read(path)["annotations"]["list"]:
        assert promql_parser.parse(promql(annotation["expr"]))


def test_grafana_finds_its_home_and_its_sources() -> None:
    stack = catalogue.choose(CATALOGUE, ["grafana"], "", ())
    values = {name: variable.default or "secret" for name, variable in stack.variables.items()}
    files = render("contract", Path("/sandboxes/contract"), stack, values).files
    spec = yaml.safe_load(CATALOGUE.services["grafana"].text)["services"]["grafana"]
    places = dict(reversed(mount.removesuffix(":ro,z").split(":")) for mount in spec["volumes"])
    home = Path(spec["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    folder = places[str(home.parents[1])]
    assert str(Path(folder, *home.parts[-2:])) in files
    [provider] = yaml.safe_load(files["configs/grafana/provisioning/dashboards/sandbox.yml"])["providers"]
    assert provider["options"]["path"] == str(home.parents[1])
    assert places["/etc/grafana/provisioning/datasources"] == "./contributions/datasources"
    assert "contributions/datasources/prometheus.yml" in files
    assert "contributions/datasources/alertmanager.yml" not in files


@EACH
def test_variables_are_declared_and_used(path: Path) -> None:
    dashboard = read(path)
    declared = {variable["name"] for variable in dashboard["templating"]["list"]}
    text = json.dumps({key: value for key, value in dashboard.items() if key != "templating"})
    used = {name for match in VARIABLE.finditer(text) for name in [match[1].strip("{}").partition(":")[0]]}
    assert {name for name in used if not name.startswith("__")} == declared
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            assert source(variable) in SOURCES


@EACH
def test_links_lead_to_dashboards_that_there_are(path: Path) -> None:
    known = {read(other)["uid"] for other in FILES}
    assert set(re.findall(r'"url": "/d/([\w-]+)', path.read_text())) <= known


def test_dashboards_share_one_folder_and_look() -> None:
    [provider] = yaml.safe_load((configs_folder() / "grafana/provisioning/dashboards/sandbox.yml").read_text())[
        "providers"
    ]
    assert provider["folder"]
    for path in FILES:
        assert (read(path)["refresh"], read(path)["graphTooltip"]) == ("5s", 1), path
