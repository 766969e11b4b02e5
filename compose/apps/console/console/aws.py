"""What there is in the AWS emulator: lists, read as any AWS program would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

REGION = "us-east-1"
MANY = 100  # rows of a list, at most
CONFIG = Config(
    connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
)
Row = dict[str, Any]


def buckets(s3: BaseClient) -> list[Row]:
    rows = []
    for bucket in s3.list_buckets()["Buckets"][:MANY]:
        found = s3.list_objects_v2(Bucket=bucket["Name"], MaxKeys=1000)
        objects = found.get("Contents", [])
        more = "+" if found.get("IsTruncated") else ""
        rows.append(
            {
                "Bucket": bucket["Name"],
                "Objects": f"{len(objects)}{more}",
                "Bytes": sum(item["Size"] for item in objects),
                "Made": bucket["CreationDate"].isoformat(),
            }
        )
    return rows


def queues(sqs: BaseClient) -> list[Row]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    rows = []
    for url in sqs.list_queues().get("QueueUrls", [])[:MANY]:
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names).get("Attributes", {})
        waiting, taken, later = (int(counts.get(name, 0)) for name in names)
        rows.append({"Queue": url.rpartition("/")[2], "Waiting": waiting, "In flight": taken, "Delayed": later})
    return rows


def topics(sns: BaseClient) -> list[Row]:
    found = sns.list_topics()["Topics"][:MANY]
    return [{"Topic": topic["TopicArn"].rpartition(":")[2], "ARN": topic["TopicArn"]} for topic in found]


def tables(dynamodb: BaseClient) -> list[Row]:
    rows = []
    for name in dynamodb.list_tables()["TableNames"][:MANY]:
        table = dynamodb.describe_table(TableName=name)["Table"]
        keys = ", ".join(key["AttributeName"] for key in table["KeySchema"])
        rows.append({"Table": name, "Items": table.get("ItemCount", 0), "Key": keys, "State": table["TableStatus"]})
    return rows


def functions(client: BaseClient) -> list[Row]:
    found = client.list_functions()["Functions"][:MANY]
    return [
        {"Function": f["FunctionName"], "Runtime": f.get("Runtime", ""), "MB": f.get("MemorySize"), "Seconds": f.get("Timeout")}
        for f in found
    ]


def parameters(ssm: BaseClient) -> list[Row]:
    found = ssm.describe_parameters(MaxResults=50)["Parameters"]
    return [{"Parameter": p["Name"], "Type": p["Type"], "Version": p.get("Version", 1)} for p in found]


# Title on the page -> the API's name and how its list is read. Values and secrets are never asked for.
KINDS: dict[str, tuple[str, Callable[[BaseClient], list[Row]]]] = {
    "Buckets": ("s3", buckets),
    "Queues": ("sqs", queues),
    "Topics": ("sns", topics),
    "Tables": ("dynamodb", tables),
    "Functions": ("lambda", functions),
    "Parameters": ("ssm", parameters),
}


class Resources:
    """Lists of the emulator at `endpoint`. Clients are made when first needed: each costs memory."""

    def __init__(self) -> None:
        self._session = botocore.session.Session()
        self._session.set_credentials("test", "test")
        self._clients: dict[tuple[str, str], BaseClient] = {}

    def list(self, kind: str, endpoint: str) -> list[Row]:
        """Rows of column -> value. Raises ListError with a sentence for the user."""
        api, read = KINDS[kind]
        client = self._clients.get((api, endpoint))
        if client is None:
            client = self._session.create_client(api, REGION, endpoint_url=endpoint, config=CONFIG)
            self._clients[api, endpoint] = client
        try:
            return read(client)
        except ClientError as error:
            raise ListError(error.response.get("Error", {}).get("Message") or str(error)) from error
        except BotoCoreError as error:
            raise ListError(str(error)) from error


class ListError(Exception):
    """The emulator does not answer, or does not know this list."""
