"""The server put together: from its settings to something that answers requests."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.ci.server.agents import BUILT_IN, Agents
from sandbox.ci.server.branches import Branches
from sandbox.ci.server.execution import Executor
from sandbox.ci.server.home import Home
from sandbox.ci.server.libraries import Libraries
from sandbox.ci.server.repositories import Repositories
from sandbox.ci.server.scheduler import Scheduler
from sandbox.ci.server.security import ADMIN, Security
from sandbox.ci.server.topics import Topics
from sandbox.ci.server.triggers import Triggers
from sandbox.ci.store import Store

VERSION = "2.516.3"  # of Jenkins, whose API and behaviour this follows
logger = logging.getLogger("sandbox.ci")


@dataclass(frozen=True)
class Settings:
    """What the environment says. `url` is where people reach the server; sizes in bytes."""

    home: Path
    url: str
    host: str = "127.0.0.1"
    port: int = 8080
    password: str = ""
    executors: int = 2
    labels: frozenset[str] = frozenset({BUILT_IN, "linux"})
    seeds: Path | None = None
    upload_limit: int = 256 * 1024**2
    webhook_secret: str = ""
    heap_mb: int = 96

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Raises ValueError for a number that is none."""
        port = int(environ.get("CI_PORT") or 8080)
        seeds = environ.get("CI_SEEDS")
        return cls(
            home=Path(environ.get("CI_HOME") or "/var/lib/ci"),
            url=(environ.get("CI_URL") or f"http://localhost:{port}").rstrip("/") + "/",
            host=environ.get("CI_HOST") or cls.host,
            port=port,
            password=environ.get("CI_PASSWORD", ""),
            executors=int(environ.get("CI_EXECUTORS") or cls.executors),
            labels=frozenset((environ.get("CI_LABELS") or "linux").split()) | {BUILT_IN},
            seeds=Path(seeds) if seeds else None,
            upload_limit=int(environ.get("CI_UPLOAD_LIMIT") or cls.upload_limit),
            webhook_secret=environ.get("CI_WEBHOOK_SECRET", ""),
            heap_mb=int(environ.get("CI_HEAP_MB") or cls.heap_mb),
        )


class Server:
    """All parts of one server. `executor` runs its Jenkinsfiles."""

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self.settings, self.executor = settings, executor
        self.started = time.time()
        self.session = secrets.token_hex(4)
        self.end: Callable[[], None] = lambda: None  # set by whoever serves requests
        self.restart_wanted = False
        self.home = Home(settings.home)
        self.home.prepare()
        self.store = Store(self.home.database)
        self.topics = Topics()
        self.security = Security(self.store)
        hosts = (urlsplit(settings.url).netloc, f"localhost:{settings.port}", f"127.0.0.1:{settings.port}", "ci:8080")
        self.repositories = Repositories(self.home.repositories, self.home.cache, hosts)
        self.libraries = Libraries(self.home.libraries, self.repositories)
        self.agents = Agents(settings.executors, settings.labels)
        self.scheduler = Scheduler(
            self.home,
            self.store,
            self.repositories,
            self.libraries,
            self.agents,
            executor,
            self.topics,
            settings.url,
        )
        self.branches = Branches(self.scheduler)
        self.triggers = Triggers(self.scheduler, self.branches)

    def start(self) -> None:
        """Sets the password, plants the seeds, and lets builds begin."""
        from sandbox.ci.server import nodes, seeds

        self._set_password()
        for name, xml in self.store.agents().items():
            self.agents.put(nodes.agent(name, xml))
        if self.settings.seeds:
            for folder in seeds.folders(self.settings.seeds):
                seeds.plant(self, folder)
        self.scheduler.start()
        self.triggers.start()

    def stop(self, seconds: float = 8) -> None:
        self.triggers.stop()
        self.topics.close()
        self.scheduler.stop(seconds)
        self.executor.close()
        self.store.close()

    def ask_to_end(self, how: str) -> None:
        """restart or exit; safeRestart and safeExit first let running builds finish. The answer goes out before."""
        self.restart_wanted = how in ("restart", "safeRestart")
        safely = how.startswith("safe")
        if safely:
            self.scheduler.quiet_down(True)

        def end() -> None:
            time.sleep(0.3)
            while safely and self.scheduler.running():
                time.sleep(0.2)
            self.end()

        threading.Thread(target=end, name="end", daemon=True).start()

    def _set_password(self) -> None:
        if self.settings.password:
            self.security.set_password(ADMIN, self.settings.password)
        elif not self.store.user(ADMIN):
            password = secrets.token_urlsafe(12)
            path = self.home.root / "initialAdminPassword"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(password + "\n")
            self.security.set_password(ADMIN, password)
            logger.info("the password of %s is in %s", ADMIN, path)
