"""What builds ask of the sandbox's AWS: parameters, secrets, objects. Emulators check no signature, so none is made."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

INSIDE = "http://aws:4566"  # every AWS of a sandbox answers here
SECONDS = 30


class AwsError(Exception):
    """AWS refused, or is not there."""


def parameter(env: Mapping[str, str], name: str) -> str:
    """A value of the Parameter Store."""
    answer = _ask(env, "ssm", "AmazonSSM.GetParameter", {"Name": name, "WithDecryption": True})
    return str(answer["Parameter"]["Value"])


def secret(env: Mapping[str, str], reference: str) -> str:
    """A secret of the Secrets Manager: `id`, or `id:key` for one value of a JSON text."""
    id, _, rest = reference.partition(":")
    text = str(_ask(env, "secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": id})["SecretString"])
    key = rest.split(":")[0]
    return str(json.loads(text)[key]) if key else text


def put(env: Mapping[str, str], bucket: str, key: str, file: Path) -> None:
    """Uploads a file to S3."""
    _send(env, "s3", "PUT", f"/{quote(bucket)}/{quote(key)}", file.read_bytes(), {})


def _ask(env: Mapping[str, str], service: str, target: str, question: Mapping[str, Any]) -> Any:
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    return json.loads(_send(env, service, "POST", "/", json.dumps(question).encode(), headers))


def _send(
    env: Mapping[str, str], service: str, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> bytes:
    account, region = env.get("AWS_ACCESS_KEY_ID", "test"), env.get("AWS_DEFAULT_REGION", "us-east-1")
    scope = f"{account}/20200101/{region}/{service}/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    endpoint = env.get("AWS_ENDPOINT_URL", INSIDE)
    request = urllib.request.Request(endpoint + path, body, {**headers, **signed}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        raise AwsError(f"{service} refused: HTTP {error.code} {error.read(300).decode(errors='replace')}") from None
    except (URLError, OSError) as error:
        raise AwsError(f"AWS does not answer at {endpoint}: {error}; is it part of the sandbox?") from None
