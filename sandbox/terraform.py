"""Terraform against the sandbox's AWS: our configuration, settings for its endpoint, and its state in our folder.

The program is the host's, or that of its image, on the sandbox's network.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from sandbox import processes, yamlfile
from sandbox.errors import SandboxError
from sandbox.terraform_program import FOLDER, NO_PROVIDER, SHOP, Program

# What an emulator has no answer to, and the one way to its buckets.
OVERRIDE = """\
# Written by sandbox: what makes the provider talk to an emulator. The address and keys are in AWS_* variables.
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
}
"""
ACCOUNT = "000000000000"  # of every emulator
# Settings that Terraform keeps for itself: AWS knows nothing of them, so they are never there yet.
OWN = ("force_destroy", "timeouts")
ADOPT = "adopt.tf"
PLAN = "adopt.plan"
STATE = "terraform.tfstate"
MAPPING = "aws_lambda_event_source_mapping.shop"


def check(folder: Path, aws: Mapping[str, str]) -> None:
    """Raises SandboxError where there is nothing for Terraform to work on."""
    if "AWS_ENDPOINT_URL" not in aws:
        raise SandboxError("this sandbox has no AWS", "`sandbox up storefront ministack`")
    if not (folder / SHOP / "resources.yml").exists():
        raise SandboxError("this sandbox has no shop", "`sandbox up storefront ministack`")


class Terraform:
    """Terraform in `<sandbox's folder>/terraform`, as `program` runs it. `aws` tells programs of this computer where
    AWS is.
    """

    def __init__(
        self, folder: Path, source: Path, aws: Mapping[str, str], program: Program, tell: Callable[[str], None]
    ) -> None:
        self.folder = folder / FOLDER
        self._shop, self._source, self._aws, self._tell = folder / SHOP, source, aws, tell
        self._program = program
        self._environ = {**aws, "TF_VAR_shop": f"../{SHOP.as_posix()}", **program.environ}

    def run(self, arguments: Sequence[str]) -> int:
        """Any of Terraform's own commands, on our standard streams; its exit code.

        After the first `init`, what `up` made is in the state: a plan has nothing to do.
        """
        self._prepare()
        if arguments[0] in ("plan", "apply", "destroy", "refresh") and self._made_anew():
            self._take_over("AWS was reset: the state is not what is there")
        code = processes.foreground(self._command(arguments), self._environ)
        if arguments[0] == "init" and "-help" not in arguments:
            if code:
                self._tell(NO_PROVIDER)
            elif not (self.folder / STATE).exists():
                self._take_over("the state is empty")
        return code

    def _take_over(self, otherwise: str) -> None:
        try:
            self._tell(f"{self.adopt()} resources that `sandbox up` made are in Terraform's state")
        except SandboxError as error:
            self._tell(f"{otherwise}: {error.message}")

    def adopt(self) -> int:
        """Takes what was made at `up` into the state, and changes nothing. Returns how many things there are now.

        Raises SandboxError when something is missing, or differs from the description.
        """
        self._prepare()
        adopting = self.folder / ADOPT
        adopting.write_text(self._imports(), encoding="utf-8")
        try:
            self._quietly("init", "-input=false", hint=NO_PROVIDER)
            if self._made_anew():
                self._quietly("state", "rm", MAPPING)
            self._quietly("plan", "-input=false", f"-out={PLAN}")
            self._refuse_changes()
            self._quietly("apply", "-input=false", PLAN)
        finally:
            adopting.unlink()
            (self.folder / PLAN).unlink(missing_ok=True)
        return len([line for line in self._ask("state", "list").split() if not line.startswith("data.")])

    def _prepare(self) -> None:
        for path in self._source.glob("*.tf"):
            (self.folder / path.name).write_bytes(path.read_bytes())
        (self.folder / "sandbox_override.tf").write_text(OVERRIDE, encoding="utf-8")
        for name, function in self._resources()["functions"].items():
            (self.folder / f"{name}.zip").write_bytes(_packed(self._shop / function["source"]))

    def _resources(self) -> Any:
        return yamlfile.read(self._shop / "resources.yml").data

    def _imports(self) -> str:
        """An import block for each resource: most are known by their name."""
        shop = self._resources()
        queues = f"{self._environ['AWS_ENDPOINT_URL']}/{ACCOUNT}"
        ids = [("aws_s3_bucket.shop", name, name) for name in shop["buckets"]]
        ids += [("aws_dynamodb_table.shop", name, name) for name in shop["tables"]]
        ids += [("aws_ssm_parameter.shop", name, name) for name in shop["parameters"]]
        ids += [("aws_sqs_queue.shop", name, f"{queues}/{name}") for name in shop["queues"]]
        ids += [("aws_sqs_queue.dead", name, f"{queues}/{name}-dead") for name in shop["queues"]]
        ids += [("aws_iam_role.shop", name, name) for name in shop["roles"]]
        ids += [("aws_iam_role_policy.shop", name, f"{name}:{name}") for name in shop["roles"]]
        ids += [("aws_lambda_function.shop", name, name) for name in shop["functions"]]
        ids += [(MAPPING, name, self._mapping(name)) for name in shop["functions"]]
        return "".join(f'import {{\n  to = {kind}["{name}"]\n  id = "{id}"\n}}\n' for kind, name, id in ids)

    def _mapping(self, function: str) -> str:
        """The id of a function's trigger, which AWS made up. No signature is checked, but it says who is meant."""
        url = f"{self._aws['AWS_ENDPOINT_URL']}/2015-03-31/event-source-mappings/?FunctionName={function}"
        scope = f"Credential={self._aws['AWS_ACCESS_KEY_ID']}/20260101/us-east-1/lambda/aws4_request"
        request = Request(url, headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"})
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
                return str(json.load(answer)["EventSourceMappings"][0]["UUID"])
        except (OSError, ValueError, LookupError) as error:
            raise SandboxError(f"the function {function} has no trigger: {error}", "`sandbox reset`") from error

    def _refuse_changes(self) -> None:
        planned = json.loads(self._ask("show", "-json", PLAN))
        if changes := [c["address"] for c in planned["resource_changes"] if _differs(c["change"])]:
            raise SandboxError(
                f"what is there differs from its description: {', '.join(changes)}",
                "`sandbox reset` makes it anew, `sandbox terraform apply` changes it",
            )

    def _made_anew(self) -> bool:
        """Whether AWS has other triggers than the state knows: all was made anew since, under the same names."""
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            known = [r["instances"] for r in state["resources"] if f"{r['type']}.{r['name']}" == MAPPING]
            return any(one["attributes"]["id"] != self._mapping(one["index_key"]) for many in known for one in many)
        except (OSError, ValueError, LookupError, SandboxError):  # nothing is known, or nothing is there
            return False

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [*self._program.command, f"-chdir={self._program.folder}", *arguments]

    def _quietly(self, *arguments: str, hint: str = "") -> None:
        try:
            processes.run(self._command(arguments), f"terraform {arguments[0]}", env=self._environ)
        except SandboxError as error:
            raise SandboxError(error.message, hint) from error

    def _ask(self, *arguments: str) -> str:
        if told := processes.output(self._command(arguments), 900, self._environ):
            return told
        raise SandboxError(f"terraform {arguments[0]} tells nothing", "`sandbox -v terraform …` shows each command")


def _differs(change: Any) -> bool:
    before, after = (
        {k: v for k, v in (side or {}).items() if k not in OWN} for side in (change["before"], change["after"])
    )
    return change["actions"] not in (["no-op"], ["read"]) and before != after


def _packed(folder: Path) -> bytes:
    """The folder's Python files as a zip: the same bytes each time."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(folder.glob("*.py")):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return content.getvalue()
