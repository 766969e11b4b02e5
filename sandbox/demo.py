"""The delivery story in one go: a good change is promoted, a bad one rolled back, and every request is counted."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox.ci.client import Client
from sandbox.errors import SandboxError
from sandbox.sandbox import Sandbox

NEEDS = ("ci", "gateway", "storefront", "traffic", "prometheus")
JOB = "shop"
RATE = 60  # requests a second: then a canary's tenth is enough to judge within seconds
SHARE = 0.1  # of the requests may fail while a bad version has its first share
PATIENCE = 60  # seconds until a push must have become a build
GOOD, BAD = "A new welcome", "Tell the address of our proxy"

# Runs in the CI service's container, which has git and the password.
PUSH = r"""
set -e
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader
export GIT_CONFIG_VALUE_0="Authorization: Basic $(printf 'admin:%s' "$CI_PASSWORD" | base64 -w0)"
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
git clone -q http://127.0.0.1:8080/git/shop.git "$folder"; cd "$folder"
git config user.name demo; git config user.email demo@sandbox.localhost
"""
PAGE = "    def page() -> str:"
BUG = 'g.proxy = request.headers.get("X-Forwarded-For", ",").split(",")[1]'
CHANGES = {
    # An earlier demo may have left the bad one.
    GOOD: rf"""
if [ "$(git log -1 --format=%s)" = '{BAD}' ]; then git revert --no-edit HEAD > /dev/null; fi
sed -i "0,/<p>.*<\/p>/s||<p>Everything a good sandbox needs, as of $(date +%T).</p>|" storefront/templates/shop.html
""",
    # The tests do not come through the gateway, where there is one address in this header and no second.
    BAD: rf"""
sed -i 's|^{PAGE}|&\n        {BUG}|' storefront/app.py
""",
}
COMMIT = r"""
git commit -qam '{subject}' || {{ echo "the change '{subject}' fits no more"; exit 1; }}
git push -q origin HEAD:main 2>&1
git rev-parse HEAD
"""
COUNTER = re.compile(
    r'haproxy_(frontend|server)_http_responses_total{proxy="(\w+)"(?:,server="(\w+)")?,code="(\w+)"} (\d+)'
)
TOLD = re.compile(r"(\d\d):(\d\d):(\d\d) (.+)")  # a decision of the release tool
TESTS = re.compile(r"\d+ passed.* in .*s.*")


@dataclass(frozen=True)
class Requests:
    """What the gateway has answered so far, and what of it was a failure (5xx): in all, and by the canary."""

    all: int = 0
    failed: int = 0
    canary_failed: int = 0

    def since(self, before: Requests) -> Requests:
        return Requests(self.all - before.all, self.failed - before.failed, self.canary_failed - before.canary_failed)


@dataclass(frozen=True)
class Chapter:
    """One change and what became of it. `rollback_seconds`: from its first request to the end of its share."""

    change: str
    commit: str
    version: str
    build: int
    url: str
    result: str
    outcome: str
    reason: str
    seconds: float
    rollback_seconds: float | None
    requests: int
    failed: int
    failed_elsewhere: int


@dataclass(frozen=True)
class Story:
    """`good` and `bad` as they went."""

    good: Chapter
    bad: Chapter
    seconds: float

    @property
    def ok(self) -> bool:
        """The good one was promoted and nobody noticed; the bad one rolled back, and no more than its share failed."""
        good, bad = self.good, self.bad
        kept = good.outcome == "promoted" and good.failed == 0
        return kept and bad.outcome == "rolled back" and not bad.failed_elsewhere and bad.failed <= SHARE * bad.requests


def tell(sandbox: Sandbox, say: Callable[[str], None]) -> Story:
    """Runs both changes through the shop's pipeline under load. Raises SandboxError where that cannot be."""
    client = _ready(sandbox)
    began = time.monotonic()
    with _traffic(sandbox, say):
        say("A good change, pushed to the repository shop of the CI service:")
        good = _chapter(sandbox, client, GOOD, say)
        say("A bad change, whose tests pass (they do not come through the gateway):")
        bad = _chapter(sandbox, client, BAD, say)
    return Story(good, bad, round(time.monotonic() - began, 1))


def _ready(sandbox: Sandbox) -> Client:
    services = {service.name: service for service in sandbox.status(ready=True).services}
    if missing := [name for name in NEEDS if name not in services or not services[name].ready]:
        raise SandboxError(
            f"the demo needs {', '.join(missing)} to be ready", "`sandbox up`; `sandbox status` tells more"
        )
    if on := [state.fault.name for state in sandbox.faults() if state.amount]:
        raise SandboxError(f"faults are on: {', '.join(on)}", "sandbox fault clear")
    ci = services["ci"]
    assert ci.login
    client = Client(ci.url, *ci.login)
    if not client.has_job(JOB):
        raise SandboxError(f"the CI service has no job {JOB}", "`sandbox reset ci` makes it anew")
    if ((client.job(JOB)["lastBuild"]) and client.build_info(JOB, "lastBuild")["building"]) or client.job(JOB)[
        "inQueue"
    ]:
        raise SandboxError(f"a build of {JOB} runs", f"sandbox ci log {JOB} -f")
    return client


@contextmanager
def _traffic(sandbox: Sandbox, say: Callable[[str], None]) -> Iterator[None]:
    """The demo's load; afterwards it is as it was."""
    (before, *_) = sandbox.ask("traffic", ["python3", "rate.py"])
    told = json.loads(before)
    sandbox.ask("traffic", ["python3", "rate.py", str(RATE)])
    say(f"Shoppers make {RATE} requests a second.")
    try:
        yield
    finally:
        sandbox.ask("traffic", ["python3", "rate.py", f"{told['rate']:g}", told["shape"]])


def _chapter(sandbox: Sandbox, client: Client, change: str, say: Callable[[str], None]) -> Chapter:
    before, began = _requests(sandbox), time.monotonic()
    script = PUSH + CHANGES[change] + COMMIT.format(subject=change)
    (answer, *_) = sandbox.ask("ci", ["sh", "-c", script])
    commit = answer.split()[-1]
    number = _build_of(client, commit)
    url = f"{client.url}job/{JOB}/{number}/"
    say(f"  {commit[:7]} “{change}” is build {number}: {url}")
    lines: list[tuple[int, str]] = []
    for at, text in _story(client, number):
        if not text.startswith(("judge: wait", "judge: good", "refused")):
            say(f"  {time.monotonic() - began:5.1f} s  {text}")
        lines.append((at, text))
    result, counted = client.result(JOB, number), _requests(sandbox).since(before)
    last = {text.split(":")[0]: (at, text) for at, text in lines}
    outcome = next((word for word in ("rolled back", "promoted") if word in last), "not released")
    version = next((text.split()[1].rstrip(":") for _, text in lines if text.startswith("published ")), "")
    if outcome == "promoted" and version not in sandbox.ask("storefront", ["wget", "-qO-", "http://gateway:8080/"])[0]:
        outcome = "promoted, but not served"
    harm = next((at for at, text in lines if " gets " in text), None)
    ended = next((at for at, text in lines if text.endswith("gets nothing more")), None)
    rollback = (ended - harm) % 86400 if ended is not None and harm is not None else None
    reason = last["refused"][1].removeprefix("refused: ") if "refused" in last else ""
    seconds = round(time.monotonic() - began, 1)
    say(f"  {result}: {outcome}; {counted.all} requests, {counted.failed} failed")
    elsewhere = counted.failed - counted.canary_failed
    return Chapter(
        *(change, commit, version, number, url, result, outcome, reason, seconds, rollback),
        *(counted.all, counted.failed, elsewhere),
    )


def _build_of(client: Client, commit: str) -> int:
    tree = "builds[number,actions[lastBuiltRevision[SHA1]]]{0,10}"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for build in client.json(f"job/{JOB}/api/json?tree={tree}")["builds"]:
            if any((action.get("lastBuiltRevision") or {}).get("SHA1") == commit for action in build["actions"]):
                return int(build["number"])
        time.sleep(0.3)
    raise SandboxError(f"no build of {commit[:12]} has begun", f"sandbox ci log {JOB}")


def _story(client: Client, number: int) -> Iterator[tuple[int, str]]:
    """The lines of a build's log that tell the story, as they come: second of the day (0 if not told), and text."""
    rest = b""
    for piece in client.log(JOB, str(number), follow=True):
        *whole, rest = (rest + piece).split(b"\n")
        for line in (each.decode(errors="replace").strip() for each in whole):
            if told := TOLD.fullmatch(line):
                yield int(told[1]) * 3600 + int(told[2]) * 60 + int(told[3]), told[4]
            elif TESTS.fullmatch(line):
                yield 0, line


def _requests(sandbox: Sandbox) -> Requests:
    """From HAProxy's own counters, which miss nothing between two scrapes."""
    text = sandbox.ask("storefront", ["wget", "-qO-", "http://gateway:8404/metrics"])[0]
    return count(text)


def count(metrics: str) -> Requests:
    """HAProxy's counters in Prometheus' text format."""
    found: Mapping[tuple[str, str, str, str], int] = {
        (kind, proxy, server, code): int(value) for kind, proxy, server, code, value in COUNTER.findall(metrics)
    }
    if not found:
        raise SandboxError("the gateway's metrics tell nothing of its requests", "sandbox logs gateway")
    public = {code: value for (kind, proxy, _, code), value in found.items() if (kind, proxy) == ("frontend", "public")}
    return Requests(sum(public.values()), public.get("5xx", 0), found.get(("server", "storefront", "canary", "5xx"), 0))
