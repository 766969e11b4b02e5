"""Run by the AWS emulator when it is ready: makes what resources.yml describes, unless it is there.

It needs only what the emulators have: Python, botocore and PyYAML.
"""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError
from botocore.session import get_session

# LocalStack runs this text inside itself, where it has no file.
FOLDER = Path(globals().get("__file__", "/etc/localstack/init/ready.d/storefront.py")).with_suffix("")
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
REGION = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
EXISTS = ("Exists", "InUse", "Duplicate", "ResourceConflict")


def client(service: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return get_session().create_client(service, region_name=REGION, endpoint_url=ENDPOINT, **keys)


def ensure(create: Any, **arguments: Any) -> bool:
    """Creates a thing; one that exists is left as it is. Whether it is new."""
    try:
        create(**arguments)
        return True
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not any(word in code for word in (*EXISTS, "AlreadyOwnedByYou")):
            raise
        return False


def make_queues(queues: dict[str, Any]) -> dict[str, str]:
    """Each with its dead letters; name -> ARN."""
    sqs, arns = client("sqs"), {}

    def make(name: str, attributes: dict[str, str]) -> str:
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    for name, about in queues.items():
        largest = {"MaximumMessageSize": str(about["largest"])}
        dead = make(f"{name}-dead", largest)
        redrive = as_json({"deadLetterTargetArn": dead, "maxReceiveCount": about["tries"]})
        own = {"VisibilityTimeout": str(about["visibility"]), "RedrivePolicy": redrive}
        arns[name] = make(name, {**largest, **own})
    return arns


def make_tables(tables: dict[str, Any]) -> None:
    dynamodb = client("dynamodb")
    for name, about in tables.items():
        ensure(
            dynamodb.create_table,
            TableName=name,
            KeySchema=[{"AttributeName": about["key"], "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": about["key"], "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


def make_roles(roles: dict[str, Any]) -> dict[str, str]:
    """Each with one policy of the role's name; name -> ARN."""
    iam, arns = client("iam"), {}
    for name, about in roles.items():
        trust = {"Effect": "Allow", "Principal": {"Service": about["service"]}, "Action": "sts:AssumeRole"}
        ensure(iam.create_role, RoleName=name, AssumeRolePolicyDocument=document([trust]))
        allow = [
            {"Effect": "Allow", "Action": entry["actions"], "Resource": entry["resources"]} for entry in about["allow"]
        ]
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=document(allow))
        arns[name] = iam.get_role(RoleName=name)["Role"]["Arn"]
    return arns


def document(statements: list[dict[str, Any]]) -> str:
    return as_json({"Version": "2012-10-17", "Statement": statements})


def as_json(data: dict[str, Any]) -> str:
    """As Terraform's jsonencode writes it: no needless space."""
    return json.dumps(data, separators=(",", ":"))


def make_functions(functions: dict[str, Any], roles: dict[str, str], queues: dict[str, str]) -> None:
    lambda_ = client("lambda")
    for name, about in functions.items():
        code = packed(FOLDER / about["source"])
        is_new = ensure(
            lambda_.create_function,
            FunctionName=name,
            Runtime=about["runtime"],
            Role=roles[name],
            Handler=about["handler"],
            MemorySize=about["memory"],
            Timeout=about["timeout"],
            Environment={"Variables": about["environment"]},
            Code={"ZipFile": code},
        )
        if not is_new:  # an emulator that remembers may remember an older one
            lambda_.update_function_code(FunctionName=name, ZipFile=code)
        ensure(
            lambda_.create_event_source_mapping,
            FunctionName=name,
            EventSourceArn=queues[about["queue"]],
            BatchSize=about["batch"],
            ScalingConfig={"MaximumConcurrency": about["concurrency"]},
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )


def packed(folder: Path) -> bytes:
    """The folder's Python files as a zip: the same bytes each time."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(folder.glob("*.py")):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return content.getvalue()


def main() -> None:
    began = time.monotonic()
    resources = yaml.safe_load((FOLDER / "resources.yml").read_text(encoding="utf-8"))
    for name in resources["buckets"]:
        ensure(client("s3").create_bucket, Bucket=name)
    queues = make_queues(resources["queues"])
    make_tables(resources["tables"])
    for name, value in resources["parameters"].items():
        ensure(client("ssm").put_parameter, Name=name, Value=value, Type="String")
    make_functions(resources["functions"], make_roles(resources["roles"]), queues)
    print(f"the shop's resources are there, after {time.monotonic() - began:.1f} s")


main()
