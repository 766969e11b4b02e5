"""`python3 -m release …`: what a delivery pipeline calls. Every decision is told on stdout, one line each.

Exit codes: 0 done (or promoted), 1 refused or rolled back, 2 wrong usage, 3 AWS does not answer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from shop import aws

from release import decisions, judge, store
from release.decisions import Decision
from release.judge import Counts, Limits
from release.store import NONE, ReleaseError, Said

STEPS = (10, 50, 100)
PATIENCE = 30.0  # seconds in which agents must have switched
AGENT_PORT = 8001
Act = Callable[[argparse.Namespace], int]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def decide(decision: str, version: str, reason: str, told: str, why: str = "") -> None:
    """Says what was decided, here and to the canary's agent. Nothing depends on whether that one hears it."""
    say(told)
    try:
        commit = store.manifest_of(version).commit
    except (LookupError, ReleaseError):
        commit = "unknown"
    try:
        decisions.tell(Decision(decision, version, commit, reason, f"{told}: {why}" if why else told))
    except OSError as error:
        say(f"the canary's agent was not told: {error}")


def pack(options: argparse.Namespace) -> int:
    content = store.pack(options.source, options.version, options.commit)
    options.to.mkdir(parents=True, exist_ok=True)
    file, digest = options.to / f"storefront-{options.version}.zip", hashlib.sha256(content).hexdigest()
    file.write_bytes(content)
    file.with_suffix(".zip.sha256").write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    say(f"packed {file}: {len(content)} bytes, sha256 {digest}")
    return 0


def publish(options: argparse.Namespace) -> int:
    if options.package and not options.package.is_file():
        raise ReleaseError(f"there is no file {options.package}")
    content = (
        options.package.read_bytes() if options.package else store.pack(options.source, options.version, options.commit)
    )
    manifest = store.publish(content, options.version, options.commit)
    say(f"published {manifest.version}: {manifest.size} bytes, sha256 {manifest.sha256}")
    return 0


def canary(options: argparse.Namespace) -> int:
    """Lets the canary run a version, and gives it its share once it does."""
    version = options.version
    store.manifest_or_error(version)
    if store.wanted().canary != version:
        store.want(share=0, canary=version)
        say(f"canary: {version} is wanted")
    wait_for(["storefront-canary"], version)
    store.want(share=options.share)
    decide(decisions.CANARY, version, decisions.SHARE, f"canary: {version} gets {options.share} % of the requests")
    return 0


def look(options: argparse.Namespace, stable: Counts | None = None) -> int:
    """Judges the canary, beside what the stable version did since `stable`. Raises ReleaseError unless it is good."""
    version = store.wanted().canary
    found = judge.Verdict("unknown", "nothing was seen", decisions.NO_VERDICT)
    for found in judge.watch(limits(options), lambda: judge.numbers(version), stable):
        say(f"judge: {found.word}: {found.why}")
    if found.word != "good":
        raise ReleaseError(found.why, found.reason)
    store.say(Said(version, found.reason, found.why))
    return 0


def verify(options: argparse.Namespace) -> int:
    """More and more share for the canary, each judged. Without a good verdict its share ends at once."""
    stable = judge.stable_so_far()
    for share in STEPS:
        options.share = share
        wanted = store.wanted()
        if (wanted.canary, wanted.share) != (options.version, share):
            canary(options)
        try:
            look(options, stable)
        except (ReleaseError, KeyboardInterrupt):
            store.want(share=0)
            say(f"canary: {options.version} gets nothing more")
            raise
    return 0


def promote(options: argparse.Namespace) -> int:
    """Makes a version the stable one everywhere, then ends the canary's special role.

    If one storefront cannot switch, or we are stopped, the version before is wanted again: what is named stable is
    what has been seen to run.
    """
    version = options.version
    store.manifest_or_error(version)
    before = store.wanted().stable
    store.want(stable=version)
    try:
        wait_for(addresses("storefront"), version)
    except (ReleaseError, KeyboardInterrupt):
        store.want(stable=before)
        raise
    store.want(share=0, canary=NONE)
    said = store.said(version)
    reason = said.reason if said and said.reason == decisions.GOOD else decisions.BY_HAND
    decide(decisions.PROMOTE, version, reason, f"promoted: {version} is the stable version")
    return 0


def rollback(options: argparse.Namespace) -> int:
    """Takes the canary's share first, then its version. Why, the last verdict tells."""
    wanted = store.wanted()
    store.want(share=0, canary=NONE)
    if wanted.canary == NONE:
        say(f"there is no canary to roll back; {wanted.stable} stays the stable version")
        return 0
    said = store.said(wanted.canary)
    reason = said.reason if said and said.reason in decisions.REASONS[decisions.ROLLBACK] else decisions.BY_HAND
    why = said.why if said and reason != decisions.BY_HAND else ""
    told = f"rolled back: {wanted.canary} has no share, {wanted.stable} stays the stable version"
    decide(decisions.ROLLBACK, wanted.canary, reason, told, why)
    return 0


def roll(options: argparse.Namespace) -> int:
    """The whole story: canary, judge and more share, again and again, then promote; or roll back."""
    began = time.monotonic()
    try:
        verify(options)
        promote(options)
    except (ReleaseError, KeyboardInterrupt) as error:
        remember(options.version, error)
        say(f"not promoted: {str(error) or 'interrupted'}")
        rollback(options)
        return 1
    say(f"done after {time.monotonic() - began:.0f} s")
    return 0


def notify(options: argparse.Namespace) -> int:
    """Tells the inbox how a build of the pipeline ended. Without an inbox nobody is told, which fails nothing."""
    said, result = store.said(options.version), options.result
    where = f"{options.job} #{options.build}: {options.url}"
    if result == "SUCCESS":
        notice = ("StorefrontReleased", "info", f"{options.version} is the stable version")
    elif said and said.reason != decisions.GOOD:
        notice = ("StorefrontRolledBack", "warning", f"{options.version} was rolled back: {said.why}")
    else:
        notice = ("StorefrontNotReleased", "warning", f"{options.version} was not released: {result}")
    try:
        decisions.notify(*notice, where, f"{options.job}-{options.build}")
        say(f"the inbox was told: {notice[0]}")
    except OSError as error:
        say(f"the inbox was not told: {error}")
    return 0


def remember(version: str, error: BaseException) -> None:
    """Keeps why a release ends, for whoever ends it."""
    reason = error.reason if isinstance(error, ReleaseError) else decisions.STOPPED
    store.say(Said(version, reason, str(error) or "it was stopped"))


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
                raise ReleaseError(f"{host} did not switch to {version} in {PATIENCE:.0f} s")
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

    def add(name: str, act: Act, help: str, *, version: bool = True, limits: bool = False) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=help)
        verb.set_defaults(act=act)
        if version:
            verb.add_argument("version")
        if limits:
            verb.add_argument("--requests", type=int, default=Limits.requests, help="the canary's, at least")
            verb.add_argument("--seconds", type=float, default=Limits.seconds, help="to look at least")
            verb.add_argument("--budget", type=float, default=Limits.budget, help="seconds until no verdict is one")
        return verb

    packing = add("pack", pack, "pack a folder into a zip file, with its checksum beside it")
    packing.add_argument("--to", type=Path, default=Path("dist"), metavar="FOLDER")
    publishing = add("publish", publish, "store a package, or a folder, in S3 with its checksum")
    publishing.add_argument("--package", type=Path, metavar="FILE", help="what `pack` made [packs the folder]")
    for verb in (packing, publishing):
        verb.add_argument("--commit", default="unknown")
        verb.add_argument("--source", type=Path, default=Path.cwd(), metavar="FOLDER")
    giving = add("canary", canary, "run a version on the canary and give it a share of the requests")
    giving.add_argument("--share", type=int, choices=range(101), default=STEPS[0], metavar="PER_CENT")
    told = "compare the canary with the stable version; exit code 0 only if it is good"
    add("judge", look, told, version=False, limits=True)
    add("verify", verify, "give the canary 10, 50 and 100 %, and judge it each time", limits=True)
    add("promote", promote, "make a version the stable one")
    add("rollback", rollback, "end the canary", version=False)
    add("roll", roll, "verify, then promote or roll back", limits=True)
    notifying = add("notify", notify, "tell the inbox how a build ended")
    notifying.add_argument("result", help="SUCCESS, FAILURE, …")
    for name in ("job", "build", "url"):
        notifying.add_argument(f"--{name}", default="")
    add("status", status, "what is wanted, and what each agent runs", version=False)
    return root


def attempt(options: argparse.Namespace) -> int:
    """The exit code. Why a release ended is kept for whoever ends it."""
    try:
        return int(options.act(options))
    except (ReleaseError, KeyboardInterrupt) as error:
        if options.verb in ("canary", "verify", "promote"):
            remember(options.version, error)
        if options.verb == "judge":  # its verdict is its last word
            remember(store.wanted().canary, error)
        else:
            say(f"refused: {str(error) or 'interrupted'}")
        return 1


def main() -> int:
    # A pipeline that is stopped ends us with SIGTERM: then, too, what was begun is taken back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parser().parse_args()
    try:
        return attempt(options)
    except aws.AwsError as error:
        say(f"AWS does not answer: {error}")
        return 3


if __name__ == "__main__":
    sys.exit(main())
