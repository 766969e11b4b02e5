"""AWS calls for lesson checks, with boto3, which is an extra: `pip install 'sandbox-devops[labs]'`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sandbox.errors import SandboxError


def call(endpoint: str, service: str, operation: str, arguments: Mapping[str, Any]) -> Any:
    """The answer of one call, as JSON would hold it. Raises SandboxError with what AWS said."""
    try:
        import boto3
        import botocore.exceptions
    except ImportError:
        raise SandboxError("AWS checks need boto3", "pip install 'sandbox-devops[labs]'") from None
    client = boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    try:
        answer = getattr(client, operation)(**arguments)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise SandboxError(f"{service} {operation}: {error}") from error
    finally:
        client.close()
    answer.pop("ResponseMetadata", None)
    return json.loads(json.dumps(answer, default=str))
