"""The demo: what the gateway's counters tell, and when the story went as it should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.demo import Chapter, Requests, Story, count
from sandbox.errors import SandboxError

METRICS = """\
# TYPE haproxy_frontend_http_responses_total counter
haproxy_frontend_http_responses_total{proxy="public",code="2xx"} 900
haproxy_frontend_http_responses_total{proxy="public",code="4xx"} 60
haproxy_frontend_http_responses_total{proxy="public",code="5xx"} 40
haproxy_frontend_http_responses_total{proxy="operators",code="5xx"} 7
haproxy_server_http_responses_total{proxy="storefront",server="storefront1",code="5xx"} 1
haproxy_server_http_responses_total{proxy="storefront",server="canary",code="5xx"} 39
"""
GOOD = Chapter("a", "c0ffee", "1.1", 1, "", "SUCCESS", "promoted", "", 50.0, None, 3000, 0, 0)
BAD = Chapter("b", "badcafe", "1.2", 2, "", "FAILURE", "rolled back", "/ is broken", 20.0, 5, 1000, 30, 0)


def test_failures_are_counted_apart_from_the_canarys() -> None:
    assert count(METRICS) == Requests(1000, 40, 39)
    assert count(METRICS).since(Requests(900, 30, 30)) == Requests(100, 10, 9)
    with pytest.raises(SandboxError, match="tell nothing"):
        count("haproxy_process_uptime_seconds 3")


@pytest.mark.parametrize(
    ("good", "bad", "ok"),
    [
        (GOOD, BAD, True),
        (replace(GOOD, failed=1), BAD, False),
        (replace(GOOD, outcome="rolled back"), BAD, False),
        (GOOD, replace(BAD, outcome="promoted"), False),
        (GOOD, replace(BAD, outcome="not released"), False),
        (GOOD, replace(BAD, failed=101), False),
        (GOOD, replace(BAD, failed_elsewhere=1), False),
    ],
)
def test_the_story_is_well_only_if_nobody_noticed_more_than_the_canary(good: Chapter, bad: Chapter, ok: bool) -> None:
    assert Story(good, bad, 80.0).ok is ok
