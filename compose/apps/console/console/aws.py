"""What there is in the AWS emulator: lists, read over the APIs that AWS programs use.

Without boto3, which is the better client, but alone would take half of the memory the console may use. The emulators
check no signature: they only read from its scope which service is meant, and in which account.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import urllib3

REGION = "us-east-1"
MANY = 100  # rows of a list, at most
TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)
Row = dict[str, Any]


class ListError(Exception):
    """The emulator does not answer, or does not know this list."""


class Emulator:
    """The emulator at `url`, asked in the name of the access key `test`."""

    def __init__(self, url: str, http: urllib3.PoolManager) -> None:
        self.url = url
        self.http = http

    def ask(self, api: str, method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> bytes:
        """The answer's body. Raises ListError with a sentence for the user."""
        scope = f"Credential=test/20260101/{REGION}/{api}/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0", **(headers or {})}
        try:
            answer = self.http.request(
                method, self.url + path, headers=signed, body=body or None, timeout=TIMEOUT, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise ListError("the emulator does not answer") from error
        if answer.status >= 400:
            raise ListError(f"the emulator says {answer.status}: {answer.data[:200].decode(errors='replace')}")
        return answer.data

    def json(self, api: str, target: str, **arguments: Any) -> dict[str, Any]:
        """A call of AWS's JSON protocol."""
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
        return _object(self.ask(api, "POST", "/", headers, json.dumps(arguments)))

    def xml(self, api: str, method: str, path: str, **form: str) -> ElementTree.Element:
        """A call that answers in XML; its element without the namespaces."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        try:
            root = ElementTree.fromstring(self.ask(api, method, path, headers, urlencode(form)))
        except ElementTree.ParseError as error:
            raise ListError("the emulator's answer is not XML") from error
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root


def buckets(aws: Emulator) -> list[Row]:
    rows = []
    for bucket in list(aws.xml("s3", "GET", "/").iter("Bucket"))[:MANY]:
        name = bucket.findtext("Name", "")
        found = aws.xml("s3", "GET", f"/{quote(name)}?list-type=2&max-keys=1000")
        sizes = [int(item.findtext("Size", "0")) for item in found.iter("Contents")]
        more = "+" if found.findtext("IsTruncated") == "true" else ""
        made = bucket.findtext("CreationDate", "")
        rows.append({"Bucket": name, "Objects": f"{len(sizes)}{more}", "Bytes": sum(sizes), "Made": made})
    return rows


def queues(aws: Emulator) -> list[Row]:
    counted = ("", "NotVisible", "Delayed")
    names = [f"ApproximateNumberOfMessages{name}" for name in counted]
    rows = []
    for url in aws.json("sqs", "AmazonSQS.ListQueues").get("QueueUrls", [])[:MANY]:
        found = aws.json("sqs", "AmazonSQS.GetQueueAttributes", QueueUrl=url, AttributeNames=names)
        waiting, taken, later = (int(found.get("Attributes", {}).get(name, 0)) for name in names)
        rows.append({"Queue": url.rpartition("/")[2], "Waiting": waiting, "In flight": taken, "Delayed": later})
    return rows


def topics(aws: Emulator) -> list[Row]:
    found = aws.xml("sns", "POST", "/", Action="ListTopics", Version="2010-03-31")
    arns = [element.text or "" for element in found.iter("TopicArn")][:MANY]
    return [{"Topic": arn.rpartition(":")[2], "ARN": arn} for arn in arns]


def tables(aws: Emulator) -> list[Row]:
    rows = []
    for name in aws.json("dynamodb", "DynamoDB_20120810.ListTables").get("TableNames", [])[:MANY]:
        table = aws.json("dynamodb", "DynamoDB_20120810.DescribeTable", TableName=name)["Table"]
        keys = ", ".join(key["AttributeName"] for key in table["KeySchema"])
        rows.append({"Table": name, "Items": table.get("ItemCount", 0), "Key": keys, "State": table["TableStatus"]})
    return rows


def functions(aws: Emulator) -> list[Row]:
    found = _object(aws.ask("lambda", "GET", "/2015-03-31/functions/")).get("Functions", [])[:MANY]
    columns = {"Function": "FunctionName", "Runtime": "Runtime", "MB": "MemorySize", "Seconds": "Timeout"}
    return [{title: item.get(key, "") for title, key in columns.items()} for item in found]


def parameters(aws: Emulator) -> list[Row]:
    found = aws.json("ssm", "AmazonSSM.DescribeParameters", MaxResults=50).get("Parameters", [])
    return [{"Parameter": p["Name"], "Type": p["Type"], "Version": p.get("Version", 1)} for p in found]


# Title on the page -> how its list is read. Values and secrets are never asked for.
KINDS: dict[str, Callable[[Emulator], list[Row]]] = {
    "Buckets": buckets,
    "Queues": queues,
    "Topics": topics,
    "Tables": tables,
    "Functions": functions,
    "Parameters": parameters,
}


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ListError("the emulator's answer is not JSON") from error
    return data if isinstance(data, dict) else {}
