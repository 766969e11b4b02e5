"""`make verify-grafana URL=…`: does a real Grafana show our dashboards, and does each panel get data there?

Asks the Grafana at URL, as its anonymous viewer or, with GRAFANA_PASSWORD set, as admin: the health of the data
sources, our dashboards and their folder, and every panel's query through Grafana's own query API. Prints one line for
each; exit code 1 when one is wrong. Grafana cannot be had where no image registry is reached, so `make test` tries
this program on a stand-in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import requests

from .dashboards import FILES, MAY_BE_EMPTY, NEEDS, VARIABLE, panels, read

FOLDER = "sandbox"
LOOK_BACK = "now-15m"
TIMEOUT = 30  # seconds for one answer
# Panels are asked about as if they were so wide, and so close together were their points.
POINTS = {"maxDataPoints": 300, "intervalMs": 3000}
# Data sources with a part in Grafana's server are asked for their health; for others it passes a question on.
PASSED_ON = {"alertmanager": "api/v2/status"}
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
Finding = tuple[str, str]  # what was looked at, and what is wrong with it, if anything


class Grafana:
    """The Grafana at `url`."""

    def __init__(self, url: str, password: str = "") -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        if password:
            self.session.auth = ("admin", password)

    def ask(self, path: str, question: object = None) -> Any:
        """The JSON at `path`; with a question, the answer to it. Raises ValueError with a sentence."""
        method = "GET" if question is None else "POST"
        try:
            answer = self.session.request(method, f"{self.url}/{path}", json=question, timeout=TIMEOUT)
            data = answer.json()
        except requests.JSONDecodeError:
            raise ValueError(f"{path}: status {answer.status_code}, and no JSON") from None
        except requests.RequestException as error:
            raise ValueError(f"{path}: {error}") from error
        # A query that failed tells more in its results than in its status.
        if not answer.ok and not (isinstance(data, dict) and "results" in data):
            raise ValueError(f"{path}: status {answer.status_code}: {data}")
        return data


def findings(grafana: Grafana) -> Iterator[Finding]:
    """Everything looked at, one after the other."""
    yield "health", _problem(lambda: _is(grafana.ask("api/health")["database"], "ok"))
    try:
        found = grafana.ask("api/search?type=dash-db&tag=sandbox&limit=1000")
    except ValueError as error:
        yield "dashboards", str(error)
        return
    present = {item["uid"]: item for item in found}
    expected = {read(path)["uid"]: path for path in FILES}
    wanted = {uid: path for uid, path in expected.items() if path.parts[-3] in ("prometheus", "grafana")}
    for uid in {**wanted, **present}:
        if uid not in present:
            yield f"dashboard {uid}", "Grafana does not have it"
        elif uid in expected:
            yield from _dashboard(grafana, present[uid], read(expected[uid]))


def _dashboard(grafana: Grafana, entry: dict[str, Any], ours: dict[str, Any]) -> Iterator[Finding]:
    name = f"dashboard {ours['uid']}"
    yield f"{name}: folder", _problem(lambda: _is(entry.get("folderUid"), FOLDER))
    theirs = _problem(
        lambda: _is(
            [panel.get("title") for panel in panels(grafana.ask(f"api/dashboards/uid/{ours['uid']}")["dashboard"])],
            [panel.get("title") for panel in panels(ours)],
        )
    )
    yield f"{name}: panels", theirs
    sources = {
        (panel["datasource"]["type"], panel["datasource"]["uid"]) for panel in panels(ours) if "datasource" in panel
    }
    for kind, uid in sorted(sources):
        yield f"{name}: data source {uid}", _problem(lambda kind=kind, uid=uid: _source(grafana, kind, uid))  # type: ignore[misc]
    for panel in panels(ours):
        for target in panel.get("targets", []):
            place = f"{name}: {panel['title']}: {target['refId']}"
            yield place, _problem(lambda panel=panel, target=target: _query(grafana, panel, target))  # type: ignore[misc]


def _source(grafana: Grafana, kind: str, uid: str) -> None:
    if kind in PASSED_ON:
        grafana.ask(f"api/datasources/proxy/uid/{uid}/{PASSED_ON[kind]}")
    else:
        _is(grafana.ask(f"api/datasources/uid/{uid}/health")["status"], "OK")


def _query(grafana: Grafana, panel: dict[str, Any], target: dict[str, Any]) -> None:
    query = {"range": not target.get("instant"), **target, **POINTS}
    for field in ("expr", "query"):
        if field in query:  # the browser fills in what people choose; Grafana itself knows its own $__…
            query[field] = VARIABLE.sub(lambda m: m[0] if m[0].lstrip("${").startswith("__") else ".+", query[field])
    if _data(grafana, query) or MAY_BE_EMPTY.search(panel["description"]):
        return
    if all(_chosen(grafana, service) for service in NEEDS.findall(panel["description"])):
        raise ValueError("no data")


def _chosen(grafana: Grafana, service: str) -> bool:
    """Whether the service is part of this sandbox: then Prometheus has it as a job."""
    asked = {"refId": "A", "datasource": PROMETHEUS, "expr": f'up{{job="{service}"}}', "instant": True, "range": False}
    return bool(_data(grafana, {**asked, **POINTS}))


def _data(grafana: Grafana, query: dict[str, Any]) -> list[list[Any]]:
    """The columns of the answer that hold something."""
    answer = grafana.ask("api/ds/query", {"queries": [query], "from": LOOK_BACK, "to": "now"})
    result = answer["results"][query["refId"]]
    if result.get("error"):
        raise ValueError(result["error"])
    return [column for frame in result.get("frames", []) for column in frame["data"]["values"] if column]


def _is(found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"{found!r} where {wanted!r} is right")


def _problem(look: Any) -> str:
    try:
        look()
    except (ValueError, KeyError, TypeError) as error:
        return str(error) if isinstance(error, ValueError) else f"an answer of another shape: {error!r}"
    return ""


def main(url: str) -> int:
    wrong = 0
    for place, problem in findings(Grafana(url, os.environ.get("GRAFANA_PASSWORD", ""))):
        print(f"{'WRONG' if problem else 'ok   '} {place}{f': {problem}' if problem else ''}", flush=True)
        wrong += bool(problem)
    print(f"{wrong} wrong" if wrong else "all is well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
