"""The shop's way to AWS. Only AWS_ENDPOINT_URL, region and credentials say whether it is the real one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

# What a caller may meet when AWS is away, slow or not yet set up.
AwsError = (BotoCoreError, ClientError)

ORDERS_QUEUE = os.environ.get("ORDERS_QUEUE", "shop-orders")
RECEIPTS_QUEUE = os.environ.get("RECEIPTS_QUEUE", "shop-receipts")
ORDERS_TABLE = os.environ.get("ORDERS_TABLE", "shop-orders")
PICTURES_BUCKET = os.environ.get("PICTURES_BUCKET", "shop-pictures")
RECEIPTS_BUCKET = os.environ.get("RECEIPTS_BUCKET", "shop-receipts")

# A visitor waits for it: better a quick failure that is told, or mended later, than a slow success.
QUICK = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1}, max_pool_connections=20)


# Seconds for which a service that did not answer is not asked again, so that no visitor waits for what is away.
PAUSE = 2.0

_away: dict[str, float] = {}
_making = threading.Lock()
# Run before each call: where the fault "slow-dependency" waits.
before_each: list[Callable[[], object]] = []


class Away(BotoCoreError):
    """It did not answer a moment ago, so it was not asked."""

    fmt = "{service} did not answer a moment ago"


@cache
def _session() -> boto3.Session:
    """One for all clients: each would keep a copy of what botocore knows of AWS, 10 MB and more."""
    return boto3.Session()


@cache
def _client(service: str) -> Any:
    return _session().client(service, config=QUICK)


def client(service: str) -> Any:
    """The client of one AWS service. Clients are safe to share among threads; making them is not."""
    with _making:
        return _client(service)


def forget() -> None:
    """Makes clients anew, at the next call, with the environment as it is then."""
    for known in (_session, _client, queue_url):
        known.cache_clear()
    _away.clear()


def ask(service: str, operation: str, **arguments: Any) -> Any:
    """One call, such as `ask("sqs", "get_queue_url", QueueName="orders")`. Raises an AwsError."""
    if _away.get(service, 0) > time.monotonic():
        raise Away(service=service)
    for act in before_each:
        act()
    try:
        return getattr(client(service), operation)(**arguments)
    except (ConnectionError, HTTPClientError):
        _away[service] = time.monotonic() + PAUSE
        raise


@cache
def queue_url(name: str) -> str:
    """The address of a queue. Asked once; raises an AwsError when it cannot be had."""
    return str(ask("sqs", "get_queue_url", QueueName=name)["QueueUrl"])
