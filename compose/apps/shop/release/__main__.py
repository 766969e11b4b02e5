"""`python3 -m release …`: what a delivery pipeline calls. Every decision is told on stdout, one line each.

Exit codes: 0 done (or promoted), 1 refused or rolled back, 2 wrong usage, 3 AWS does not answer.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from shop import aws

from release import judge, store
from release.judge import Limits, Verdict
from release.store import NONE, ReleaseError

STEPS = (10, 50, 100)
PATIENCE = 30.0  # seconds in which agents must have switched
AGENT_PORT = 8001


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def publish(options: argparse.Namespace) -> int:
    manifest = store.publish(options.source, options.version, options.commit)
    say(f"published {manifest.version}: {manifest.size} bytes, sha256 {manifest.sha256}")
    return 0


def canary(options: argparse.Namespace) -> int:
    """Lets the canary run a version, and gives it its share once it does."""
    store.manifest_or_error(options.version)
    store.want(share=0, canary=options.version)
    say(f"canary: {options.version} is wanted")
    wait_for(["storefront-canary"], options.version)
    store.want(share=options.share)
    say(f"canary: {options.version} runs, and gets {options.share} % of the requests")
    return 0


def verdict(options: argparse.Namespace) -> int:
    return 0 if judged(store.wanted().canary, limits(options)).word == "good" else 1


def judged(version: str, wanted: Limits) -> Verdict:
    last = Verdict("unknown", "nothing was seen")
    for last in judge.watch(wanted, lambda: judge.numbers(version)):
        say(f"judge: {last.word}: {last.why}")
    return last


def promote(options: argparse.Namespace) -> int:
    """Makes a version the stable one everywhere, then ends the canary's special role."""
    store.manifest_or_error(options.version)
    store.want(stable=options.version)
    wait_for(addresses("storefront"), options.version)
    store.want(share=0, canary=NONE)
    say(f"promoted: {options.version} is the stable version")
    return 0


def rollback(options: argparse.Namespace) -> int:
    """Takes the canary's share first, then its version."""
    store.want(share=0, canary=NONE)
    say(f"rolled back: the canary has no share, {store.wanted().stable} stays the stable version")
    return 0


def roll(options: argparse.Namespace) -> int:
    """The whole story: canary, judge and more share, again and again, then promote; or roll back."""
    began = time.monotonic()
    try:
        for share in STEPS:
            options.share = share
            if share == STEPS[0]:
                canary(options)
            else:
                store.want(share=share)
                say(f"canary: {options.version} gets {share} % of the requests")
            found = judged(options.version, limits(options))
            if found.word != "good":
                raise ReleaseError(f"{found.word} at {share} %: {found.why}")
        promote(options)
    except (ReleaseError, KeyboardInterrupt) as error:
        say(f"not promoted: {str(error) or 'interrupted'}")
        rollback(options)
        return 1
    say(f"done after {time.monotonic() - began:.0f} s")
    return 0


def status(options: argparse.Namespace) -> int:
    wanted = store.wanted()
    agents = [agent_status(address) for address in (*addresses("storefront"), *addresses("storefront-canary"))]
    print(json.dumps({"wanted": asdict(wanted), "agents": agents}, indent=2))
    return 0


def wait_for(hosts: list[str], version: str) -> None:
    """Until all these agents run the version. Raises ReleaseError with the reason of the first that cannot."""
    until = time.monotonic() + PATIENCE
    for host in hosts:
        while (told := agent_status(host)).get("running") != version:
            trouble = str(told.get("trouble") or "")
            if trouble and told.get("wanted") == version:
                raise ReleaseError(trouble)
            if time.monotonic() > until:
                raise ReleaseError(f"{host} did not switch to {version} within {PATIENCE:.0f} s")
            time.sleep(0.3)


def addresses(name: str) -> list[str]:
    """Every container behind a name."""
    try:
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None, socket.AF_INET)})
    except OSError:
        return []


def agent_status(host: str) -> dict[str, object]:
    try:
        with build_opener(ProxyHandler({})).open(f"http://{host}:{AGENT_PORT}/status", timeout=3) as answer:
            told: dict[str, object] = json.load(answer)
            return told
    except (OSError, ValueError):
        return {}


def limits(options: argparse.Namespace) -> Limits:
    return Limits(requests=options.requests, seconds=options.seconds, budget=options.budget)


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="release", description="Publish, try, judge, promote or roll back a version.")
    verbs = root.add_subparsers(dest="verb", required=True)
    publishing = verbs.add_parser("publish", help="pack a folder and store it in S3 with its checksum")
    publishing.add_argument("version")
    publishing.add_argument("--commit", default="unknown")
    publishing.add_argument("--source", type=Path, default=Path.cwd())
    publishing.set_defaults(act=publish)
    for name, act, help in (
        ("canary", canary, "run a version on the canary and give it a share of the requests"),
        ("judge", verdict, "compare the canary with the stable version; exit code 0 only if it is good"),
        ("promote", promote, "make a version the stable one"),
        ("rollback", rollback, "end the canary"),
        ("roll", roll, "all of it: 10, 50 and 100 %, each judged, then promoted or rolled back"),
        ("status", status, "what is wanted, and what each agent runs"),
    ):
        verb = verbs.add_parser(name, help=help)
        verb.set_defaults(act=act)
        if name in ("canary", "promote", "roll"):
            verb.add_argument("version")
        if name == "canary":
            verb.add_argument("--share", type=int, choices=range(101), default=STEPS[0], metavar="PER_CENT")
        if name in ("judge", "roll"):
            verb.add_argument("--requests", type=int, default=Limits.requests, help="the canary's, at least")
            verb.add_argument("--seconds", type=float, default=Limits.seconds, help="to look at least")
            verb.add_argument("--budget", type=float, default=Limits.budget, help="seconds until no verdict is one")
    return root


def main() -> int:
    options = parser().parse_args()
    try:
        return int(options.act(options))
    except ReleaseError as error:
        say(f"refused: {error}")
        return 1
    except aws.AwsError as error:
        say(f"AWS does not answer: {error}")
        return 3


sys.exit(main())
