"""When a service gets more or fewer containers, and why."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import cast

import pytest

from sandbox.autoscaling import LATENCY, RATE, Load, Policy, decide, keep, measured
from sandbox.errors import SandboxError, UsageError
from sandbox.sandbox import Sandbox

BY_RATE = Policy(rate=20, latency=0, least=1, most=4, cooldown=30)
BY_LATENCY = Policy(rate=0, latency=200, least=1, most=4, cooldown=30)
BY_BOTH = Policy(rate=20, latency=200, least=1, most=4, cooldown=30)


@pytest.mark.parametrize(
    ("policy", "now", "load", "rested", "count", "why"),
    [
        (BY_RATE, 1, Load(10, 999), 99, 1, "as it should be"),
        (BY_RATE, 1, Load(45, 0), 99, 3, "3 needed"),
        (BY_RATE, 1, Load(45, 0), 10, 1, "3 would do, after a rest of 20 s more"),
        (BY_RATE, 1, Load(500, 0), 99, 4, "4 needed"),
        (BY_RATE, 4, Load(500, 0), 99, 4, "25 would do, 4 may be"),
        (BY_RATE, 3, Load(0, 0), 99, 1, "1 needed"),
        (BY_RATE, 2, Load(19, 0), 99, 2, "1 would have little to spare"),
        (BY_RATE, 2, Load(15, 0), 99, 1, "1 needed"),
        (BY_RATE, 9, Load(79, 0), 99, 4, "4 needed"),
        (BY_LATENCY, 1, Load(999, 150), 99, 1, "as it should be"),
        (BY_LATENCY, 2, Load(0, 250), 99, 3, "take 250 ms at most on 2: 3 needed"),
        (BY_LATENCY, 2, Load(0, 250), 10, 2, "3 would do, after a rest of 20 s more"),
        (BY_LATENCY, 4, Load(0, 250), 99, 4, "5 would do, 4 may be"),
        (BY_LATENCY, 3, Load(0, 90), 99, 2, "2 needed"),
        (BY_LATENCY, 1, Load(0, 0), 99, 1, "0 would do, 1 may be"),
        (BY_BOTH, 1, Load(10, 250), 99, 2, "take 250 ms at most on 1: 2 needed"),
        (BY_BOTH, 2, Load(70, 90), 99, 4, "70.0 requests a second on 2: 4 needed"),
        (BY_BOTH, 3, Load(10, 150), 99, 3, "as it should be"),
    ],
)
def test_decisions_say_why(policy: Policy, now: int, load: Load, rested: float, count: int, why: str) -> None:
    decision = decide(policy, now, load, rested)
    assert (decision.count, why in decision.why) == (count, True), decision


@pytest.mark.parametrize(("query", "metric"), [(RATE, "http_requests_total"), (LATENCY, "histogram_quantile")])
def test_the_load_is_prometheus_word(query: str, metric: str) -> None:
    def ask(service: str, command: list[str]) -> list[str]:
        assert (service, command[0], metric in command[-1], "shop" in command[-1]) == ("prometheus", "wget", True, True)
        return [json.dumps({"data": {"result": [{"value": [0, "12.5"]}]}})]

    assert measured(ask, "shop", query) == 12.5
    assert measured(lambda service, command: ['{"data": {"result": []}}'], "shop", query) == 0
    assert measured(lambda service, command: ['{"data": {"result": [{"value": [0, "NaN"]}]}}'], "shop", query) == 0
    with pytest.raises(SandboxError, match="does not tell the load"):
        measured(lambda service, command: ["oops"], "shop", query)


@pytest.mark.parametrize(
    ("rate", "latency", "least", "most"), [(20, 0, 5, 4), (0, 0, 1, 4), (-1, 5, 1, 4), (20, 0, 0, 4)]
)
def test_a_senseless_policy_is_refused(rate: float, latency: float, least: int, most: int) -> None:
    with pytest.raises(UsageError, match="1 <= min <= max"):
        Policy(rate, latency, least, most, cooldown=30)


def test_a_look_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.autoscaling.EVERY", 0)
    answers = iter(["failure", "failure", "1", "1"])

    def ask(service: str, command: list[str]) -> list[str]:
        if (answer := next(answers)) == "failure":
            raise SandboxError("prometheus: wget ended with 1")
        return [f'{{"data": {{"result": [{{"value": [0, "{answer}"]}}]}}}}']

    here = SimpleNamespace(project="shop", ask=ask, engine=SimpleNamespace(containers=lambda project: []))
    decisions = keep(cast(Sandbox, here), "storefront", Policy(1, 0, 1, 4, 0), 1)
    assert "no look at the load" in next(decisions).why
    assert "1.0 requests a second on 0" in next(decisions).why
