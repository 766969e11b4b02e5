"""The program that `sandbox terraform` runs: the host's, else that of its image on the sandbox's network.

Its AWS provider is fetched by Terraform itself, unless a mirror on this computer has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import host, images, processes, relay
from sandbox.engine import Engine, one_off
from sandbox.errors import EngineError, SandboxError
from sandbox.model import Say

IMAGE = "hashicorp/terraform:1.11.4"
FOLDER = "terraform"
SHOP = Path("contributions", "aws", "storefront")
INSIDE = "/sandbox"  # where the image finds our folder
MEMORY = "2g"  # the provider knows all of AWS
AWS_INSIDE = {"AWS_ENDPOINT_URL": "http://aws:4566"}
VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "TF_VAR_shop")
# The folders in which Terraform looks by itself, and those in which people put what no package manager brought.
MIRRORS = (
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "/opt/*",
)
PROVIDER = Path("registry.terraform.io", "hashicorp", "aws")
CLI_CONFIG = """\
# Written by sandbox: the provider lies on this computer, so that no network is needed.
provider_installation {
  filesystem_mirror {
    path    = "%s"
    include = ["hashicorp/aws"]
  }
  direct {
    exclude = ["hashicorp/aws"]
  }
}
"""
NO_PROVIDER = (
    "without network: `terraform providers mirror ~/.terraform.d/plugins` where there is one, beside a copy of "
    "these *.tf files, then bring that folder here; your own TF_CLI_CONFIG_FILE is honoured, too"
)


@dataclass(frozen=True)
class Program:
    """The command before Terraform's own arguments, our folder as it sees it, and variables it needs."""

    command: tuple[str, ...]
    folder: str
    environ: Mapping[str, str]


def find(engine: Engine, project: str, folder: Path, registry: str, say: Say) -> Program:
    """The program for a sandbox's folder. Raises EngineError where neither it nor its image can be had."""
    work = folder / FOLDER
    work.mkdir(exist_ok=True)
    mirror, config = _mirror(), work / "sandbox.terraformrc"
    if processes.have("terraform"):
        own = Path(os.environ.get("TF_CLI_CONFIG_FILE") or "~/.terraformrc").expanduser()
        if own.exists() or not mirror:
            return Program(("terraform",), str(work), {})
        config.write_text(CLI_CONFIG % mirror, encoding="utf-8")
        return Program(("terraform",), str(work), {"TF_CLI_CONFIG_FILE": str(config)})
    _obtain(engine, registry, say)
    mounts = {str(work): f"{INSIDE}/{FOLDER}", f"{folder / SHOP}": f"{INSIDE}/{SHOP.as_posix()}:ro"}
    theirs = [name for name in os.environ if name.startswith("TF_") and name != "TF_CLI_CONFIG_FILE"]
    variables = [*VARIABLES, *theirs, *host.proxies(), "HOME=/tmp", "NO_PROXY=aws"]
    if mirror:
        config.write_text(CLI_CONFIG % f"{INSIDE}/plugins", encoding="utf-8")
        mounts[str(mirror)] = f"{INSIDE}/plugins:ro"
        variables.append(f"TF_CLI_CONFIG_FILE={INSIDE}/{FOLDER}/{config.name}")
    command = one_off(IMAGE, project, mounts, variables, MEMORY, sys.stdin.isatty())
    return Program(tuple(command), f"{INSIDE}/{FOLDER}", AWS_INSIDE)


def _obtain(engine: Engine, registry: str, say: Say) -> None:
    if IMAGE in engine.image_sizes():
        return
    try:
        images.pull(IMAGE, engine, relay.local(registry), say)
    except SandboxError as error:
        raise EngineError(
            f"terraform is not installed on this computer, and its image cannot be had: {error.message}",
            "https://developer.hashicorp.com/terraform/install; or SANDBOX_REGISTRY, a mirror that has the image",
        ) from error


def _mirror() -> Path | None:
    """The first folder that holds the provider. What is for another system is of no use here or in the image."""
    if sys.platform != "linux":
        return None
    paths = (Path(text).expanduser() for text in MIRRORS)
    found = (path for pattern in paths for path in sorted(pattern.parent.glob(pattern.name)))
    return next((path for path in found if (path / PROVIDER).is_dir()), None)
