"""Where releases are kept, and where it is written which of them runs.

S3: `storefront/<version>.zip`, and `storefront/<version>.json`, its manifest. Parameter Store: `<prefix>/stable` and
`<prefix>/canary` name versions (`built-in` is what the image holds, `none` no canary), `<prefix>/share` says how many
per cent of the requests the canary gets, `<prefix>/verdict` what was said about the canary last.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shop import aws

from release import decisions

BUCKET = os.environ.get("ARTIFACTS_BUCKET", "shop-artifacts")
PREFIX = os.environ.get("RELEASE_PARAMETERS", "/shop/storefront")
BUILT_IN, NONE = "built-in", "none"
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
CONTENTS = ("shop", "storefront", "gunicorn.conf.py")


class ReleaseError(Exception):
    """A release that cannot be made, had, run or trusted; says why, and the `reason` in a few words."""

    def __init__(self, why: str, reason: str = decisions.NOT_RUNNING) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True)
class Manifest:
    """What a version is: `sha256` is that of its zip file, `size` its bytes."""

    version: str
    commit: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Wanted:
    """What is to run. `share` is the canary's, in per cent."""

    stable: str
    canary: str
    share: int

    def version(self, track: str) -> str:
        """A canary that has nothing to try runs what the others run."""
        return self.canary if track == "canary" and self.canary != NONE else self.stable


@dataclass(frozen=True)
class Said:
    """The last verdict on a version, kept for who ends its release: `reason` in a few words, `why` with numbers."""

    version: str
    reason: str
    why: str


def publish(content: bytes, version: str, commit: str) -> Manifest:
    """Stores a packed version. A version never changes: the same again is fine, another is refused."""
    manifest = Manifest(version, commit, hashlib.sha256(content).hexdigest(), len(content))
    try:
        if manifest_of(version) != manifest:
            raise ReleaseError(f"version {version} is published already, and differs")
        return manifest
    except LookupError:
        pass
    aws.ask("s3", "put_object", Bucket=BUCKET, Key=f"storefront/{version}.zip", Body=content)
    # Last: what has a manifest is whole.
    text = json.dumps(asdict(manifest))
    aws.ask("s3", "put_object", Bucket=BUCKET, Key=f"storefront/{version}.json", Body=text.encode())
    return manifest


def pack(source: Path, version: str, commit: str) -> bytes:
    """A zip of what a release needs; the same files give the same bytes."""
    if not VERSION.fullmatch(version) or version in (BUILT_IN, NONE):
        raise ReleaseError(f"{version!r} cannot be a version")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("release.json"), json.dumps({"version": version, "commit": commit}))
        for path in _files(source):
            archive.writestr(_entry(path.relative_to(source).as_posix()), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _files(source: Path) -> Iterable[Path]:
    for name in CONTENTS:
        if not (source / name).exists():
            raise ReleaseError(f"{source} has no {name}")
        found = [source / name] if (source / name).is_file() else sorted((source / name).rglob("*"))
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # its date is always the same
    entry.external_attr = 0o644 << 16
    return entry


def manifest_of(version: str) -> Manifest:
    """Raises LookupError if there is no such version."""
    try:
        found = aws.ask("s3", "get_object", Bucket=BUCKET, Key=f"storefront/{version}.json")["Body"].read()
    except aws.ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise LookupError(f"there is no version {version}") from None
        raise
    try:
        return Manifest(**json.loads(found))
    except (ValueError, TypeError) as error:
        raise ReleaseError(f"the manifest of {version} is broken: {error}") from None


def manifest_or_error(version: str) -> Manifest:
    """The manifest; a ReleaseError if there is no such version."""
    try:
        return manifest_of(version)
    except LookupError as error:
        raise ReleaseError(str(error)) from None


def fetch(version: str, folder: Path) -> None:
    """Unpacks a version into an empty folder. Raises ReleaseError when it is missing, altered or broken."""
    try:
        manifest = manifest_or_error(version)
        content = aws.ask("s3", "get_object", Bucket=BUCKET, Key=f"storefront/{version}.zip")["Body"].read()
    except aws.AwsError as error:
        raise ReleaseError(f"version {version} cannot be fetched: {error}") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != manifest.sha256:
        raise ReleaseError(f"the checksum of {version} does not match: {digest[:12]}… is not {manifest.sha256[:12]}…")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
    except (zipfile.BadZipFile, OSError) as error:
        raise ReleaseError(f"version {version} cannot be unpacked: {error}") from None


def _parameters() -> dict[str, str]:
    found = aws.ask("ssm", "get_parameters_by_path", Path=PREFIX)["Parameters"]
    return {entry["Name"].rpartition("/")[2]: entry["Value"] for entry in found}


def wanted() -> Wanted:
    """What is to run now. Raises an AwsError."""
    values = _parameters()
    share = values.get("share", "0")
    return Wanted(
        stable=values.get("stable", BUILT_IN),
        canary=values.get("canary", NONE),
        share=min(100, int(share)) if share.isdecimal() else 0,
    )


def want(**values: str | int) -> None:
    """Writes `stable`, `canary` or `share`, in the order given."""
    for name, value in values.items():
        aws.ask("ssm", "put_parameter", Name=f"{PREFIX}/{name}", Value=str(value), Type="String", Overwrite=True)


def say(said: Said) -> None:
    """Keeps the last verdict. Raises an AwsError."""
    want(verdict=json.dumps(asdict(replace(said, why=said.why[:1000]))))


def said(version: str) -> Said | None:
    """The last verdict, if it was on this version. Raises an AwsError."""
    try:
        last = Said(**json.loads(_parameters().get("verdict", "")))
    except (ValueError, TypeError):
        return None
    return last if last.version == version else None
