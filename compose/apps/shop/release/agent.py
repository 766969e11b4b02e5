"""The release agent: runs the storefront in the version that is wanted, and changes it without losing a request.

It holds the listening socket. A new version starts beside the old one on the same socket, is asked whether it is
healthy, and only then the old one is told to finish. If anything is wrong, the old one goes on and the reason is told.
"""

from __future__ import annotations

import http.client
import json
import logging.config
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge
from shop import aws, logs, operations

from release import store
from release.decisions import ROLLBACK, Decision, Record
from release.store import BUILT_IN, ReleaseError, Wanted

SERVICE = "release-agent"
PORT, SIDE_PORT, WEIGHT_PORT = 8000, 8001, 8002
PERIOD = 1.0  # seconds between two looks at the Parameter Store
PATIENCE = 15.0  # seconds in which a new version must be healthy
RETRY = 10.0  # seconds until a version that failed is tried again
DRAIN = 1.2  # seconds in which the gateway learns that nothing more is to come here
FINISH = 6.0  # seconds in which requests in flight end

log = logging.getLogger(__name__)


@dataclass
class Running:
    """One version at work."""

    version: str
    process: subprocess.Popen[bytes]


class Agent:
    """Call `step` for ever, and `stop` once."""

    def __init__(self, track: str, home: Path, work: Path, listener: socket.socket) -> None:
        self.track, self._home, self._work, self._listener = track, home, work, listener
        self.current: Running | None = None
        self.wanted = Wanted(BUILT_IN, store.NONE, 0)
        self.trouble, self.draining = "", False
        self._failed: tuple[str, float] = ("", 0.0)
        self.registry = CollectorRegistry()
        # Prometheus knows the track of each agent, and adds it.
        labels, registry = ["service"], self.registry
        switches = Counter("release_switches", "Versions tried.", [*labels, "result"], registry=registry)
        self._switches = {word: switches.labels(SERVICE, word) for word in ("switched", "failed")}
        restarts = Counter("release_restarts", "Ends that nobody asked for.", labels, registry=registry)
        self._restarts = restarts.labels(SERVICE)
        self._info = Gauge("release_info", "Always 1; the labels tell.", [*labels, "version"], registry=registry)
        self._record = Record(registry, SERVICE) if track == "canary" else None

    def step(self) -> None:
        """One look at what is wanted, and what follows from it."""
        try:
            self.wanted = store.wanted()
        except aws.AwsError as error:
            log.debug("the Parameter Store does not answer, so nothing changes: %s", error)
        version = self.wanted.version(self.track)
        if self.current is None or self.current.process.poll() is not None:
            self._revive(version)
        elif version == self.current.version:
            self.trouble = ""
        elif self._failed[0] != version or time.monotonic() - self._failed[1] > RETRY:
            self._switch(version)

    def _revive(self, version: str) -> None:
        """After a start, or an end that nobody asked for: what is wanted if it can be had, else what there is."""
        if self.current is not None:
            log.error("%s ended with %s", self.current.version, self.current.process.returncode)
            self._restarts.inc()
        last = self.current.version if self.current else BUILT_IN
        for candidate in dict.fromkeys((version, last, BUILT_IN)):
            try:
                self._adopt(self._start(candidate))
                return
            except ReleaseError as error:
                self._note_failure(candidate, error)

    def _switch(self, version: str) -> None:
        old = self.current
        try:
            new = self._start(version)
        except ReleaseError as error:
            self._note_failure(version, error)
            return
        self._adopt(new)
        if old:
            end(old.process)
            self._forget(old.version)

    def _adopt(self, new: Running) -> None:
        self.current, self.trouble = new, ""
        self._switches["switched"].inc()
        self._info.clear()
        self._info.labels(SERVICE, new.version).set(1)
        log.info("%s now runs %s", self.track, new.version)

    def _note_failure(self, version: str, error: ReleaseError) -> None:
        self._failed = (version, time.monotonic())
        self.trouble = str(error)
        self._switches["failed"].inc()
        log.error("%s stays as it is: %s", self.track, error)

    def _start(self, version: str) -> Running:
        """The version, running and healthy. Raises ReleaseError, with nothing left behind."""
        folder = self._folder(version)
        # Its own door, behind which no other version is.
        path = self._work / f"{version}.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
            door.listen()
            sockets = [self._listener.fileno(), door.fileno()]
            command = [sys.executable, "-m", "gunicorn", *(f"--bind=fd://{number}" for number in sockets)]
            process = subprocess.Popen([*command, "storefront.app:create_app()"], cwd=folder, pass_fds=sockets)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            if healthy(path):
                return Running(version, process)
            time.sleep(0.1)
        reason = "does not get healthy" if process.poll() is None else f"ends at once ({process.returncode})"
        end(process)
        self._forget(version)
        raise ReleaseError(f"version {version} {reason}")

    def _folder(self, version: str) -> Path:
        if version == BUILT_IN:
            return self._home
        folder = self._work / version
        if not folder.exists():
            fresh = self._work / f".{version}"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            store.fetch(version, fresh)
            fresh.rename(folder)
        return folder

    def _forget(self, version: str) -> None:
        if version != BUILT_IN:
            shutil.rmtree(self._work / version, ignore_errors=True)

    def weight(self) -> str:
        """What the gateway's agent check reads: this server's weight, of 100, so that the canary gets its share.

        The stable ones always keep a little: while the gateway has heard of a change from one side only, somebody
        must be there for the requests.
        """
        if self.draining:
            return "drain"
        share = self.wanted.share if self.wanted.canary != store.NONE else 0
        if self.track == "canary":
            ready = self.current is not None and self.current.version == self.wanted.canary
            return f"ready up {share if ready else 0}%"
        return f"ready up {max(1, round((100 - share) / replicas()))}%"

    def status(self) -> dict[str, object]:
        return {
            "track": self.track,
            "running": self.current.version if self.current else "",
            "wanted": self.wanted.version(self.track),
            "trouble": self.trouble,
        }

    def take(self, text: bytes) -> None:
        """A decision about a release, as JSON: logged and counted. Raises ValueError for anything else."""
        if self._record is None:
            raise ValueError("decisions are for the canary's agent")
        try:
            made = Decision(**json.loads(text))
            self._record.add(made)
        except TypeError as error:
            raise ValueError(f"not a decision: {error}") from None
        fields = {
            "event.action": made.decision,
            "event.reason": made.reason,
            "labels.version": made.version,
            "labels.commit": made.commit,
        }
        level = logging.WARNING if made.decision == ROLLBACK else logging.INFO
        log.log(level, "%s", made.why, extra={"ecs": fields})

    def stop(self) -> None:
        """Tells the gateway, then lets requests in flight end."""
        self.draining = True
        time.sleep(DRAIN)
        if self.current:
            end(self.current.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Graceful first; by force when that takes too long."""
    process.terminate()
    try:
        process.wait(FINISH)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def healthy(door: Path) -> bool:
    """Whether the storefront behind a Unix socket answers its readiness check."""
    connection = http.client.HTTPConnection("localhost", timeout=2)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(2)
        connection.sock.connect(str(door))
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def replicas() -> int:
    """How many stable storefronts there are, from Docker's DNS."""
    try:
        return max(1, len({entry[4][0] for entry in socket.getaddrinfo("storefront", None, socket.AF_INET)}))
    except OSError:
        return 1


def serve_weight(agent: Agent, port: int) -> socketserver.ThreadingTCPServer:
    """HAProxy connects, reads one line, and is gone."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(f"{agent.weight()}\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    logging.config.dictConfig(logs.config(SERVICE))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    listener = socket.create_server(("", PORT), backlog=1024)
    work = Path(os.environ.get("RELEASE_FOLDER", "/tmp/releases"))
    work.mkdir(exist_ok=True)
    agent = Agent(sys.argv[1], Path.cwd(), work, listener)
    posts = {"/decisions": agent.take}
    operations.serve(agent.registry, lambda: agent.trouble, SIDE_PORT, lambda: json.dumps(agent.status()), posts)
    serve_weight(agent, WEIGHT_PORT)
    while not stop.is_set():
        agent.step()
        stop.wait(PERIOD)
    agent.stop()


if __name__ == "__main__":
    main()
