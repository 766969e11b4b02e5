"""The sandbox in a test suite: the pytest plugin's fixtures, and the same without pytest.

    with Sandbox.start("ministack") as sandbox:
        boto3.client("s3", endpoint_url=sandbox.env["AWS_ENDPOINT_URL"])

Every pytest run imports this package, so what is heavy is imported when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.testing.case import SandboxMixin
    from sandbox.testing.containers import SandboxCompose, SandboxContainer
    from sandbox.testing.running import RunningSandbox
    from sandbox.testing.start import Sandbox

__all__ = ["RunningSandbox", "Sandbox", "SandboxCompose", "SandboxContainer", "SandboxMixin"]
HOMES = {
    "RunningSandbox": "running",
    "Sandbox": "start",
    "SandboxCompose": "containers",
    "SandboxContainer": "containers",
    "SandboxMixin": "case",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sandbox.testing.{HOMES[name]}"), name)
