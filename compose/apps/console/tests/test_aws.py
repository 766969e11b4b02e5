"""Lists of the AWS emulator. That real emulators answer so is for the browser tests to see."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from .conftest import Upstream

BUCKETS = b"""<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets>
<Bucket><Name>mine</Name><CreationDate>2026-01-01T00:00:00Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>"""
OBJECTS = b"""<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
<Contents><Key>a</Key><Size>3</Size></Contents><Contents><Key>b</Key><Size>4</Size></Contents></ListBucketResult>"""


def test_buckets_are_counted(client: FlaskClient, upstream: Upstream) -> None:
    upstream.says("/", BUCKETS)
    upstream.says("/mine", OBJECTS)
    assert client.get("/api/aws/Buckets").json == {
        "rows": [{"Bucket": "mine", "Objects": "2+", "Bytes": 7, "Made": "2026-01-01T00:00:00Z"}]
    }
    assert {method for method, *_ in upstream.asked} == {"GET"}
    assert "/us-east-1/s3/aws4_request" in upstream.asked[0][2]["Authorization"]


@pytest.mark.parametrize("kind", ["Buckets", "Queues", "Topics", "Tables", "Functions", "Parameters"])
@pytest.mark.parametrize(("status", "body"), [(200, b"nonsense"), (501, b"<Error>not offered</Error>")])
def test_list_that_cannot_be_had_says_why(
    client: FlaskClient, upstream: Upstream, kind: str, status: int, body: bytes
) -> None:
    upstream.says("/", body, status)
    upstream.says("/2015-03-31/functions/", body, status)
    answer = client.get(f"/api/aws/{kind}")
    assert answer.status_code == 502
    assert answer.json["error"].startswith("the emulator")


def test_emulator_that_is_down(client: FlaskClient, upstream: Upstream) -> None:
    upstream.close()
    assert client.get("/api/aws/Queues").json == {"error": "the emulator does not answer"}


def test_no_such_list(client: FlaskClient) -> None:
    assert client.get("/api/aws/Instances").status_code == 404
    assert client.get("/api/aws").json["emulator"] == "Shop"
