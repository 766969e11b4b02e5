"""`make verify-elk`: the whole Elastic stack, where its images can be pulled, or one that runs already (by URLs).

Sends the lines of tests/contract/lines.yml into Logstash by HTTP and TCP, finds each as specified, asks Kibana for its
data view and dashboards, and counts what Filebeat brought. Exit code 1 when something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml

LINES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "contract" / "lines.yml").read_text())
PROJECT = "sandbox-verify-elk"
SECONDS = 60


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--elasticsearch", metavar="URL", help="a running one; without it the profile `logs` is started"
    )
    parser.add_argument("--kibana", metavar="URL")
    parser.add_argument("--logstash", metavar="URL", help="its HTTP input")
    parser.add_argument("--logstash-tcp", metavar="PORT", type=int, help="its TCP input, on the same host")
    parser.add_argument("--password", default=os.environ.get("ELASTIC_PASSWORD", ""), help="of the user elastic")
    return parser.parse_args()


def sandbox(*arguments: str) -> str:
    command = [sys.executable, "-m", "sandbox", "--project", PROJECT, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def started(chosen: argparse.Namespace) -> argparse.Namespace:
    """The profile `logs`, ready, and its addresses."""
    sandbox("up", "--profile", "logs", "--timeout", "600")
    services = {one["name"]: one for one in json.loads(sandbox("status", "--json"))["services"]}
    for name in ("elasticsearch", "kibana", "logstash"):
        setattr(chosen, name, services[name]["url"])
    chosen.password = services["elasticsearch"]["login"]["password"]
    chosen.logstash_tcp = chosen.logstash_tcp or 5170
    return chosen


class Elk:
    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.session = requests.Session()
        self.session.auth = ("elastic", chosen.password)

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        answer = self.session.request(method, url, json=body, headers={"kbn-xsrf": "sandbox"}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def find(self, mark: str) -> dict[str, Any] | None:
        """The document with our mark, once it is there."""
        url = f"{self.chosen.elasticsearch.rstrip('/')}/logs-*/_search"
        for _ in range(SECONDS):
            hits = self.ask("POST", url, {"query": {"term": {"labels.mark": mark}}})["hits"]["hits"]
            if hits:
                return flat(hits[0]["_source"])
            time.sleep(1)
        return None

    def send(self, way: str, line: str, mark: str) -> None:
        event = {"message": line, "labels": {"mark": mark}}
        if way == "http":
            answer = requests.post(self.chosen.logstash, json=event, timeout=30)
            answer.raise_for_status()
            return
        host = urlsplit(self.chosen.logstash).hostname or "localhost"
        with socket.create_connection((host, self.chosen.logstash_tcp), timeout=30) as connection:
            connection.sendall(json.dumps(event).encode() + b"\n")


def flat(source: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in source.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def problems(elk: Elk) -> list[str]:
    wrong = []
    sent = []
    for line in LINES:
        for way in ["http", *(["tcp"] if elk.chosen.logstash_tcp else [])]:
            mark = uuid.uuid4().hex
            elk.send(way, line["line"], mark)
            sent.append((way, line, mark))
    for way, line, mark in sent:
        found = elk.find(mark)
        if found is None:
            wrong.append(f"{way}: {line['name']}: not found within {SECONDS} s")
            continue
        for name, value in line["has"].items():
            if found.get(name) != value:
                wrong.append(f"{way}: {line['name']}: {name} is {found.get(name)!r}, not {value!r}")
    if elk.chosen.kibana:
        kibana = elk.chosen.kibana.rstrip("/")
        for kind, count in (("dashboard", 3), ("index-pattern", 1), ("search", 5)):
            total = elk.ask("GET", f"{kibana}/api/saved_objects/_find?type={kind}")["total"]
            if total < count:
                wrong.append(f"Kibana has {total} of {count} objects of type {kind}")
    return wrong


def main() -> int:
    chosen = options()
    ours = not chosen.elasticsearch
    try:
        if ours:
            chosen = started(chosen)
        wrong = problems(Elk(chosen))
    finally:
        if ours:
            sandbox("down", "--volumes")
    print("\n".join(wrong) or f"all is well: {len(LINES)} lines by each way, and Kibana's objects")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
