"""When what `up` made is taken into Terraform's state: after the first `init`, and after a reset."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.resources import configs_folder
from sandbox.terraform import SHOP, STATE, Terraform, check
from sandbox.terraform_program import FOLDER, Program

AWS = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "test"}
# A Terraform that believes what it is told: the trigger's id of the import blocks becomes the state's.
FAKE = """\
import json, pathlib, re, sys
folder = pathlib.Path(__file__).parent / "here" / "terraform"
verb = " ".join(sys.argv[2:4])
with (folder.parent / "told").open("a") as told:
    print(sys.argv[2], file=told)
state, adopting = folder / "terraform.tfstate", folder / "adopt.tf"
if sys.argv[2] == "apply" and adopting.exists():
    trigger = re.search('mapping.shop.*\\\\n  id = "(.*)"', adopting.read_text())[1]
    instances = [{"index_key": "shop-receipts", "attributes": {"id": trigger}}]
    kind = {"type": "aws_lambda_event_source_mapping", "name": "shop", "instances": instances}
    state.write_text(json.dumps({"resources": [kind]}))
elif verb == "show -json":
    print(json.dumps({"resource_changes": []}))
elif verb == "state list":
    print("a\\nb\\ndata.c")
"""


@pytest.fixture
def triggers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The id of the trigger that AWS has; nothing for none."""
    now = ["first"]

    def mapping(terraform: Terraform, function: str) -> str:
        if not now:
            raise SandboxError(f"the function {function} has no trigger")
        return now[0]

    monkeypatch.setattr(Terraform, "_mapping", mapping)
    return now


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def terraform(tmp_path: Path, triggers: list[str], said: list[str]) -> Terraform:
    folder = tmp_path / "here"
    (folder / FOLDER).mkdir(parents=True)
    (folder / SHOP / "receipts").mkdir(parents=True)
    description = configs_folder() / "storefront" / "aws" / "resources.yml"
    (folder / SHOP / "resources.yml").write_bytes(description.read_bytes())
    fake = tmp_path / "fake.py"
    fake.write_text(FAKE)
    program = Program((sys.executable, str(fake)), str(folder / FOLDER), {})
    return Terraform(folder, configs_folder() / "terraform", AWS, program, said.append)


def known(terraform: Terraform) -> str:
    state = json.loads((terraform.folder / STATE).read_text())
    return str(state["resources"][0]["instances"][0]["attributes"]["id"])


def told(terraform: Terraform) -> list[str]:
    """Terraform's commands since the last question."""
    file = terraform.folder.parent / "told"
    words = file.read_text().split()
    file.write_text("")
    return words


def test_the_first_init_takes_over_what_up_made(terraform: Terraform, said: list[str]) -> None:
    assert terraform.run(["init"]) == 0
    assert said == ["2 resources that `sandbox up` made are in Terraform's state"]
    assert known(terraform) == "first"
    assert not (terraform.folder / "adopt.tf").exists()
    told(terraform)
    assert (terraform.run(["init"]), terraform.run(["plan"])) == (0, 0)
    assert told(terraform) == ["init", "plan"]


def test_after_a_reset_it_is_taken_over_again(terraform: Terraform, triggers: list[str]) -> None:
    terraform.run(["plan"])
    assert told(terraform) == ["plan"]
    terraform.run(["init"])
    triggers[:] = ["second"]
    told(terraform)
    terraform.run(["plan"])
    assert told(terraform) == ["init", "state", "plan", "show", "apply", "state", "plan"]
    assert known(terraform) == "second"


def test_what_is_gone_is_not_taken_over(terraform: Terraform, triggers: list[str], said: list[str]) -> None:
    triggers.clear()
    assert terraform.run(["init"]) == 0
    assert said == ["the state is empty: the function shop-receipts has no trigger"]
    terraform.run(["apply"])
    assert told(terraform) == ["init", "apply"]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no AWS"):
        check(tmp_path, {})
    with pytest.raises(SandboxError, match="no shop"):
        check(tmp_path, AWS)
