"""A file uploaded to S3 makes a Lambda function write a copy. Every test has an empty AWS of its own."""

from __future__ import annotations

import io
import zipfile

import pytest

from sandbox.testing.services import Aws, wait

COPY = """
import os
import botocore.session

def handler(event, context):
    s3 = botocore.session.get_session().create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=bucket, Key=key.replace("in/", "copies/"), Body=body)
"""


def zipped(source: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("function.py", source)
    return archive.getvalue()


@pytest.fixture
def bucket(aws: Aws) -> str:
    """A bucket whose folder `in` is watched by the function."""
    s3, functions = aws.client("s3"), aws.client("lambda")
    s3.create_bucket(Bucket="uploads")
    function = functions.create_function(
        FunctionName="copy",
        Runtime="python3.13",
        Handler="function.handler",
        Role=f"arn:aws:iam::{aws.account}:role/copy",
        Code={"ZipFile": zipped(COPY)},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="copy", WaiterConfig={"Delay": 1})
    watched = {
        "LambdaFunctionArn": function["FunctionArn"],
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
    }
    s3.put_bucket_notification_configuration(
        Bucket="uploads", NotificationConfiguration={"LambdaFunctionConfigurations": [watched]}
    )
    return "uploads"


def test_upload_is_copied(aws: Aws, bucket: str) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="in/photo", Body=b"a photo")

    def keys() -> list[str]:
        return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]

    wait("the copy", lambda: True if "copies/photo" in keys() else None, keys, timeout=20)
    assert s3.get_object(Bucket=bucket, Key="copies/photo")["Body"].read() == b"a photo"


def test_next_test_starts_with_nothing(aws: Aws) -> None:
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("lambda").list_functions()["Functions"] == []
