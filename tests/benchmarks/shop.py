"""`python -m tests.benchmarks.shop`: what the gateway costs, how many orders the worker handles, and their memory.

In a sandbox of its own, removed at the end. The two sides of a ratio are measured in one run. The storefront alone is
asked at its container's own address, so this needs Linux. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import boto3

from sandbox import output
from tests.benchmarks.__main__ import PROJECT, Bench, own_sandbox, services
from tests.benchmarks.table import Row, by_turns, show

UP = ("up", "storefront", "orders", "ministack", "--set", "GATEWAY_RATE_LIMIT=1000000")
CLIENTS = 8
SECONDS = 3.0
ORDERS = 250  # each of them comes twice
QUEUE = "shop-orders"
IN_QUEUE = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


def measure_gateway(bench: Bench) -> Iterator[Row]:
    before = services(bench)["storefront"]
    gateway = urlsplit(bench.run(bench.sandbox("url", "storefront")).strip()).netloc
    networks = json.loads(bench.run(["docker", "inspect", f"{PROJECT}-storefront-1"]))[0]["NetworkSettings"]["Networks"]
    (network,) = networks.values()
    through, alone = by_turns(
        3, partial(requests_a_second, gateway), partial(requests_a_second, f"{network['IPAddress']}:8000")
    )
    yield Row(
        "requests a second through the gateway",
        through,
        "",
        "at least 0.5",
        through >= 0.5 * alone,
        alone,
        "the storefront alone",
    )
    yield memory("the storefront, after these requests", services(bench)["storefront"], before)


def requests_a_second(address: str) -> float:
    """How many requests a few clients make, each one after the other. Any failure ends the run."""
    end = time.monotonic() + SECONDS

    def ask(client: int) -> int:
        count, connection = 0, HTTPConnection(address, timeout=10)
        while time.monotonic() < end:
            connection.request("GET", "/api/products")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"{address} answered {answer.status}")
            count += 1
        connection.close()
        return count

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(ask, range(CLIENTS))) / SECONDS


def measure_worker(bench: Bench) -> Iterator[Row]:
    """The queue is filled while the worker is away."""
    before = services(bench)["orders"]
    known = handled(bench)
    environ = json.loads(bench.run(bench.sandbox("env", "--json")))
    sqs = boto3.client(
        "sqs",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name=environ["AWS_DEFAULT_REGION"],
    )
    queue = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    bench.run(["docker", "pause", f"{PROJECT}-orders-1"])
    bodies = [body for number in range(ORDERS) for body in [json.dumps(order(number))] * 2]
    for first in range(0, len(bodies), 10):
        entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies[first : first + 10])]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    began = time.monotonic()
    bench.run(["docker", "unpause", f"{PROJECT}-orders-1"])
    while any(int(count) for count in attributes(sqs, queue)):
        time.sleep(0.2)
    taken = time.monotonic() - began
    told = {result: count - known[result] for result, count in handled(bench).items()}
    yield Row(
        f"messages a second, {len(bodies)} of {ORDERS} orders",
        len(bodies) / taken,
        "",
        "each order stored once",
        told == {"stored": ORDERS, "repeated": ORDERS, "failed": 0},
    )
    yield memory("the worker, after these messages", services(bench)["orders"], before)


def order(number: int) -> dict[str, Any]:
    fixed = {"product": "kite", "quantity": 1, "total_cents": 3900, "currency": "EUR"}
    return {"id": f"bench-{number}", "created_at": "2026-11-25T00:00:00.000+00:00", **fixed}


def attributes(sqs: Any, queue: str) -> list[str]:
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(IN_QUEUE))["Attributes"]
    return [told[name] for name in IN_QUEUE]


def handled(bench: Bench) -> dict[str, int]:
    """How many messages the worker has handled, by how it went."""
    command = ["exec", "orders", "wget", "-q", "-O", "-", "http://127.0.0.1:8000/metrics"]
    found = re.findall(r'^messages_total\{.*result="(\w+)".*\} (\S+)$', bench.run(bench.sandbox(*command)), re.M)
    return {result: int(float(count)) for result, count in found}


def memory(what: str, after: float, before: float) -> Row:
    return Row(f"memory of {what}", after, "MB", "1.3x at most", after <= 1.3 * before, before, "before")


def main() -> int:
    """Measures and prints the table; 1 when a target is missed."""
    with own_sandbox() as bench:
        output.talk("measuring; this takes about a minute, and is truest when nothing else runs")
        bench.run(bench.sandbox(*UP))
        met = show([*measure_gateway(bench), *measure_worker(bench)])
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
