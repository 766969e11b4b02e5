"""`make verify-elk`: the whole Elastic stack, where its images can be pulled, or one that runs already (by URLs).

Sends the lines of tests/contract/lines.yml in by every way (HTTP, TCP, syslog and GELF, the latter by UDP too, and a
container's log through Filebeat), finds each as specified, and asks Kibana for its objects and each chart's data. The
light pipeline (logstore and shipper, by URLs) has to pass too. Exit code 1 when something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml

LINES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "contract" / "lines.yml").read_text())
PROJECT = "sandbox-verify-elk"
SECONDS = 60
PORTS = {"tcp": 5170, "syslog": 5514, "gelf": 12201}
# Prints the lines, as a service of one's own would.
PRINTER = """
services:
  printer:
    image: ${FILEBEAT_IMAGE:-docker.elastic.co/beats/filebeat:9.5.6}
    mem_limit: 32m
    entrypoint: [bash, -c, "cat /lines.txt; sleep 9999"]
    volumes: ["./configs/printer/lines.txt:/lines.txt:ro,z"]
    healthcheck: {test: ["CMD", "true"], start_interval: 500ms}
"""


@dataclass(frozen=True)
class Sent:
    """A line that went in by a way, and what the document must have."""

    way: str
    name: str
    has: dict[str, Any]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--elasticsearch", metavar="URL", help="a running one; without it the profile `logs` is started"
    )
    parser.add_argument("--kibana", metavar="URL")
    parser.add_argument("--logstash", metavar="URL", help="its HTTP input")
    for way, port in PORTS.items():
        words = f"its input for {way}, on the same host [{port}]"
        parser.add_argument(f"--logstash-{way}", metavar="PORT", type=int, default=port, help=words)
    parser.add_argument("--password", default=os.environ.get("ELASTIC_PASSWORD", ""), help="of the user elastic")
    return parser.parse_args()


class Stack:
    """The profile `logs`, and a container that prints the lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "printer.yml").write_text(PRINTER)
        (folder / "sandbox.yml").write_text("include: [printer.yml]\n")
        (folder / "configs" / "printer").mkdir(parents=True)
        # A line of JSON between two lines: a trace must not go on with the next one.
        printed = "\n{}\n".join(line["line"] for line in LINES if "way" not in line)
        (folder / "configs" / "printer" / "lines.txt").write_text(printed + "\n{}\n")

    def __call__(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "sandbox", "--project", PROJECT, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=self.folder).stdout

    def start(self, chosen: argparse.Namespace) -> None:
        """Brings all up, and notes the addresses."""
        self("up", *json.loads(self("profiles", "--json"))["logs"], "printer", "--timeout", "600")
        states = {one["name"]: one for one in json.loads(self("status", "--json"))["services"]}
        for name in ("elasticsearch", "kibana", "logstash"):
            setattr(chosen, name, states[name]["url"])
        chosen.password = states["elasticsearch"]["login"]["password"]
        for way, port in PORTS.items():
            command = ["docker", "port", f"{PROJECT}-logstash-1", f"{port}/tcp"]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            setattr(chosen, f"logstash_{way}", int(told.split()[0].rpartition(":")[2]))


class Elk:
    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.host = urlsplit(chosen.logstash).hostname or "localhost"
        self.elasticsearch = chosen.elasticsearch.rstrip("/")
        self.session = requests.Session()
        self.session.auth = ("elastic", chosen.password)

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        answer = self.session.request(method, url, json=body, headers={"kbn-xsrf": "sandbox"}, timeout=30)
        if not answer.ok:
            raise SystemExit(f"{method} {url}: HTTP {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def documents(self, since: str) -> list[dict[str, Any]]:
        body = {"size": 5000, "query": {"range": {"event.created": {"gte": since}}}}
        hits = self.ask("POST", f"{self.elasticsearch}/logs-*/_search", body)["hits"]["hits"]
        return [flat(hit["_source"]) for hit in hits]

    def send(self, way: str, text: str) -> None:
        """By one way in; `syslog/udp` is syslog by UDP."""
        if way == "http":
            requests.post(self.chosen.logstash, data=text.encode(), headers=JSON, timeout=30).raise_for_status()
            return
        port, udp = getattr(self.chosen, f"logstash_{way.partition('/')[0]}"), way.endswith("/udp")
        end = b"" if udp else b"\0" if way == "gelf" else b"\n"
        with socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as connection:
            connection.connect((self.host, port))
            connection.sendall(text.encode() + end)


JSON = {"Content-Type": "application/json"}


def flat(source: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in source.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def send_all(elk: Elk) -> Iterator[Sent]:
    """Every line by every way that it is for. Events of HTTP and TCP carry a mark; other lines stay as they are."""
    for line in LINES:
        way = line.get("way")
        for marked in () if way else ("http", "tcp"):
            mark = uuid.uuid4().hex
            elk.send(marked, json.dumps({"message": line["line"], "labels": {"mark": mark}}))
            yield Sent(marked, line["name"], {**line["has"], "labels.mark": mark})
        if way:
            text = {} if line["line"].startswith("{") else {"message": line["line"]}
            for one in (way, *([f"{way}/udp"] if way != "tcp" else [])):
                elk.send(one, line["line"])
                yield Sent(one, line["name"], {**text, **line["has"]})


def printed() -> Iterator[Sent]:
    """What Filebeat must bring of the container that prints the lines."""
    for line in LINES:
        if "way" not in line:
            text = {} if line["line"].startswith("{") else {"message": line["line"]}
            yield Sent("filebeat", line["name"], {**text, **line["has"], "data_stream.dataset": "printer"})


def missing(elk: Elk, sent: list[Sent], since: str) -> list[str]:
    """What is not found as it should be, a minute later at the most."""
    waiting = sent
    for _ in range(SECONDS):
        documents = elk.documents(since)
        waiting = [one for one in waiting if not any(_has(document, one) for document in documents)]
        if not waiting:
            break
        time.sleep(1)
    return [f"{one.way}: {one.name}: no document has {one.has}" for one in waiting]


def _has(document: dict[str, Any], sent: Sent) -> bool:
    return all(document.get(name) == value for name, value in sent.has.items())


def kibanas_problems(elk: Elk, kibana: str) -> Iterator[str]:
    """Its objects, and that every chart finds data."""
    for kind, count in (("dashboard", 3), ("index-pattern", 1), ("search", 5), ("lens", 6)):
        total = elk.ask("GET", f"{kibana}/api/saved_objects/_find?type={kind}&per_page=100")["total"]
        if total < count:
            yield f"Kibana has {total} of {count} objects of type {kind}"
    hits = elk.ask("POST", f"{elk.elasticsearch}/logs-*-sandbox/_count")["count"]
    if not hits:
        yield "the data view logs-*-sandbox is empty"


def main() -> int:
    chosen = options()
    since = datetime.now(UTC).isoformat(timespec="milliseconds")
    ours = not chosen.elasticsearch
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        try:
            if ours:
                stack.start(chosen)
            elk = Elk(chosen)
            sent = [*send_all(elk), *(printed() if ours else ())]
            wrong = missing(elk, sent, since)
            if chosen.kibana:
                wrong += kibanas_problems(elk, chosen.kibana.rstrip("/"))
        finally:
            if ours:
                stack("down", "--volumes")
    ways = sorted({one.way for one in sent})
    print("\n".join(wrong) or f"all is well: {len(sent)} lines by {', '.join(ways)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
