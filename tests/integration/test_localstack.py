"""LocalStack alone: what programs keep in it, Python functions without Docker, and fresh data after a reset."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from .conftest import Run

PROJECT = "sandbox-tests-localstack"
HANDLER = """
import boto3

def handle(event, context):
    print("handling", event["name"])
    if event["name"] == "nobody":
        raise LookupError("nobody is there")
    boto3.client("s3").put_object(Bucket="kept", Key="greeting", Body=f"hello {event['name']}".encode())
    return {"greeted": event["name"]}
"""


@pytest.fixture(scope="module")
def localstack(run: Run) -> Iterator[dict[str, str]]:
    """LocalStack, ready: the environment that programs get."""
    done = run("up", "localstack", project=PROJECT)
    assert done.returncode == 0, done.stderr
    environment: dict[str, str] = json.loads(run("env", "--json", project=PROJECT).stdout)
    yield environment
    run("down", "--volumes", project=PROJECT)


def client(service: str, localstack: dict[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=localstack["AWS_ENDPOINT_URL"],
        aws_access_key_id=localstack["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=localstack["AWS_SECRET_ACCESS_KEY"],
        region_name=localstack["AWS_DEFAULT_REGION"],
    )


@pytest.fixture(scope="module")
def bucket(localstack: dict[str, str]) -> str:
    client("s3", localstack).create_bucket(Bucket="kept")
    return "kept"


def test_bucket_keeps_a_file(localstack: dict[str, str], bucket: str) -> None:
    s3 = client("s3", localstack)
    s3.put_object(Bucket=bucket, Key="a file", Body=b"its content")
    assert s3.get_object(Bucket=bucket, Key="a file")["Body"].read() == b"its content"


def test_topic_reaches_a_queue_whose_address_works_here(localstack: dict[str, str]) -> None:
    sqs, sns = client("sqs", localstack), client("sns", localstack)
    queue = sqs.create_queue(QueueName="a-queue")["QueueUrl"]
    assert queue == localstack["AWS_ENDPOINT_URL"] + "/000000000000/a-queue"  # Terraform takes no other form
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="a-topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="news")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    assert message["Body"] == "news"


def test_table_keeps_an_item(localstack: dict[str, str]) -> None:
    dynamodb = client("dynamodb", localstack)
    dynamodb.create_table(
        TableName="people",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"id": {"S": "ada"}, "born": {"N": "1815"}}
    dynamodb.put_item(TableName="people", Item=item)
    assert dynamodb.get_item(TableName="people", Key={"id": {"S": "ada"}})["Item"] == item


def test_python_function_runs_and_its_failure_is_told(localstack: dict[str, str], bucket: str) -> None:
    functions = client("lambda", localstack)
    create_function(functions, "python3.13")
    functions.get_waiter("function_active_v2").wait(FunctionName="python3-13", WaiterConfig={"Delay": 1})
    answer = functions.invoke(FunctionName="python3-13", Payload=b'{"name": "Ada"}')
    assert json.load(answer["Payload"]) == {"greeted": "Ada"}
    assert client("s3", localstack).get_object(Bucket=bucket, Key="greeting")["Body"].read() == b"hello Ada"
    answer = functions.invoke(FunctionName="python3-13", Payload=b'{"name": "nobody"}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "LookupError"


def test_function_in_another_language_says_what_is_missing(localstack: dict[str, str]) -> None:
    functions = client("lambda", localstack)
    create_function(functions, "nodejs22.x")
    for _ in range(100):  # it is made in the background, as on AWS
        about = functions.get_function(FunctionName="nodejs22-x")["Configuration"]
        if about["State"] != "Pending":
            break
        time.sleep(0.1)
    assert about["State"] == "Failed"
    assert "only Python runs here" in about["StateReason"]


def create_function(functions: Any, runtime: str) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("greeter.py", HANDLER)
    functions.create_function(
        FunctionName=runtime.replace(".", "-"),
        Runtime=runtime,
        Role="arn:aws:iam::000000000000:role/any",
        Handler="greeter.handle",
        Code={"ZipFile": code.getvalue()},
    )


def test_reset_gives_fresh_data(run: Run, localstack: dict[str, str], bucket: str) -> None:
    s3 = client("s3", localstack)
    s3.put_object(Bucket=bucket, Key="to be forgotten", Body=b"")
    done = run("reset", "localstack", project=PROJECT)
    assert done.returncode == 0, done.stderr
    with pytest.raises(ClientError, match="Not Found"):
        s3.head_bucket(Bucket=bucket)
    assert requests.get(localstack["AWS_ENDPOINT_URL"] + "/_localstack/health", timeout=5).ok
