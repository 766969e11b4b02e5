"""Every alert has a unit test: tests/integration/test_rules.py runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sandbox.resources import configs_folder

TESTS = Path(__file__).parent.parent / "rules"
RULES = sorted(configs_folder().glob("*/rules.yml"))


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.parent.name)
def test_each_alert_is_tried(rules: Path) -> None:
    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    tried = set(re.findall(r"\w+", (TESTS / f"{rules.parent.name}.yml").read_text(encoding="utf-8")))
    assert alerts - tried == set()
