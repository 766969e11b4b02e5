"""The worker's fault switch: that of every program, and `poison`, a message that is no order."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from shop import aws, faults

from orders import POISON

DEAD = f"{aws.ORDERS_QUEUE}-dead"
SETTLED = 2.0  # seconds until the worker has dropped what is left of the poison


def main(arguments: Sequence[str]) -> int:
    verb, name = [*arguments, "", ""][:2]
    if verb == "list":
        print(json.dumps({**faults.active(), **poison()}))
        return 0
    spreading = "poison" in faults.active()
    if code := faults.main(arguments):
        return code
    if (verb, name) == ("inject", "poison"):
        for _ in range(int(float(arguments[2]))):
            aws.ask("sqs", "send_message", QueueUrl=aws.queue_url(aws.ORDERS_QUEUE), MessageBody=POISON)
    if verb == "clear" and name in ("", "poison"):
        aws.ask("sqs", "purge_queue", QueueUrl=aws.queue_url(DEAD))
        if spreading:  # a message may just have failed for the last time
            time.sleep(SETTLED)
            aws.ask("sqs", "purge_queue", QueueUrl=aws.queue_url(DEAD))
    return 0


def poison() -> dict[str, float]:
    """Dead letters are what poison leaves behind."""
    attribute = "ApproximateNumberOfMessages"
    try:
        url = aws.queue_url(DEAD)
        answer = aws.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=[attribute])
        count = float(answer["Attributes"][attribute])
    except aws.AwsError:
        count = 0
    return {"poison": count} if count else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
