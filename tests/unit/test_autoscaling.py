"""When a service gets more or fewer containers, and why."""

from __future__ import annotations

import json

import pytest

from sandbox.autoscaling import Policy, decide, request_rate
from sandbox.errors import SandboxError, UsageError

POLICY = Policy(target=20, least=1, most=4, cooldown=30)


@pytest.mark.parametrize(
    ("now", "rate", "rested", "count", "why"),
    [
        (1, 10, 99, 1, "as it should be"),
        (1, 45, 99, 3, "3 needed"),
        (1, 45, 10, 1, "3 would do, after a rest of 20 s more"),
        (1, 500, 99, 4, "4 needed"),
        (3, 0, 99, 1, "1 needed"),
        (2, 19, 99, 2, "1 would have little to spare"),
        (2, 15, 99, 1, "1 needed"),
        (9, 79, 99, 4, "4 needed"),
    ],
)
def test_decisions_say_why(now: int, rate: float, rested: float, count: int, why: str) -> None:
    decision = decide(POLICY, now, rate, rested)
    assert (decision.count, why in decision.why) == (count, True), decision


def test_the_rate_is_prometheus_word() -> None:
    def ask(service: str, command: list[str]) -> list[str]:
        assert (service, command[0], "shop" in command[-1]) == ("prometheus", "wget", True)
        return [json.dumps({"data": {"result": [{"value": [0, "12.5"]}]}})]

    assert request_rate(ask, "shop") == 12.5
    assert request_rate(lambda service, command: ['{"data": {"result": []}}'], "shop") == 0
    with pytest.raises(SandboxError, match="does not tell the rate"):
        request_rate(lambda service, command: ["oops"], "shop")


def test_a_senseless_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="1 <= min <= max"):
        Policy(target=20, least=5, most=4, cooldown=30)
