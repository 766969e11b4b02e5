"""The worker's fault switch: that of every program, and `poison`, a message that is no order."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from shop import aws, faults

DEAD = f"{aws.ORDERS_QUEUE}-dead"


def main(arguments: Sequence[str]) -> int:
    verb, name = [*arguments, "", ""][:2]
    if (verb, name) == ("inject", "poison"):
        body = json.dumps({"poison": "this is not an order"})
        for _ in range(int(float(arguments[2]))):
            aws.ask("sqs", "send_message", QueueUrl=aws.queue_url(aws.ORDERS_QUEUE), MessageBody=body)
        return 0
    if verb == "clear" and name in ("", "poison"):
        aws.ask("sqs", "purge_queue", QueueUrl=aws.queue_url(DEAD))
        if name:
            return 0
    if verb == "list":
        print(json.dumps({**faults.active(), **poison()}))
        return 0
    return faults.main(arguments)


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
