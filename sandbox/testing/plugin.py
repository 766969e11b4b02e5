"""The pytest plugin. It is loaded into every pytest run, so until a fixture is used it imports nothing but pytest."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sandbox.testing.running import RunningSandbox
    from sandbox.testing.services import Alerts, Aws, Ci, Gateway, Grafana, Logstore, Prometheus, Web
    from sandbox.testing.start import Starting

# What each ready-made fixture needs: services, or capabilities (see `start.DEFAULTS`).
NEEDS = {
    "aws": ("aws",),
    "prometheus": ("prometheus",),
    "alerts": ("alertmanager", "prometheus"),
    "gateway": ("gateway",),
    "grafana": ("grafana",),
    "logstore": ("logs",),
    "ci": ("ci",),
}
AWS = {"aws", "ministack", "localstack"}
OPTIONS = {
    "services": ("", "Services to bring up besides those that markers name, separated by commas."),
    "project": ("", "Use the sandbox of this name, which `sandbox up` started, and leave it as it is."),
    "xdist": (
        "auto",
        "With pytest-xdist: `shared`, one sandbox for all workers; `worker`, one for each; `auto`, one for each "
        "where AWS is used (bucket names are common to all accounts), else shared.",
    ),
    "without_docker": ("fail", "Where there is no Docker engine: `fail`, or `skip` the tests that need one."),
    "timeout": ("180", "Seconds to wait until the services are useful."),
}
CHOICES = {"xdist": ("auto", "shared", "worker"), "without_docker": ("fail", "skip")}

RUN = pytest.StashKey["Run"]()
ASKED = pytest.StashKey[tuple[str, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sandbox", "sandbox: AWS, metrics, logs and more as fixtures")
    for name, (default, help) in OPTIONS.items():
        flag = f"--sandbox-{name.replace('_', '-')}"
        group.addoption(flag, dest=f"sandbox_{name}", choices=CHOICES.get(name), help=help)
        parser.addini(f"sandbox_{name}", f"{help} ({flag})", default=default)
    keep = "Leave the sandbox running; the next run with this option attaches to it at once."
    group.addoption("--sandbox-keep", action="store_true", dest="sandbox_keep", default=None, help=keep)
    parser.addini("sandbox_keep", f"{keep} (--sandbox-keep)", type="bool", default=False)
    parser.addini("sandbox_set", "NAME=value for variables of services, one a line.", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    marker = "sandbox(*services): services of the sandbox that the test needs, such as prometheus"
    config.addinivalue_line("markers", marker)
    for name, choices in CHOICES.items():
        if _option(config, name) not in choices:
            raise pytest.UsageError(f"sandbox_{name} must be one of {', '.join(choices)}")
    if not _option(config, "timeout").isdecimal():
        raise pytest.UsageError("sandbox_timeout must be seconds")
    for line in config.getini("sandbox_set"):
        if "=" not in line:
            raise pytest.UsageError(f"sandbox_set: write NAME=value, not {line}")
    config.stash[RUN] = Run(config)


def _option(config: pytest.Config, name: str) -> Any:
    """The command line's value, or else the configuration file's."""
    given = config.getoption(f"sandbox_{name}")
    return config.getini(f"sandbox_{name}") if given is None else given


class Run:
    """This test run's sandbox: asked for by tests, started at first use, ended with the run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.starting: Starting | None = None
        self.running: RunningSandbox | None = None
        self.kept = ""
        self.asked: tuple[str, ...] = ()
        # Under xdist the controlling process decides on the name, and owns what the workers start.
        given: dict[str, str] = getattr(config, "workerinput", {})
        self.worker = given.get("workerid", "")
        self.project = given.get("sandbox_project", "")
        self.owner = given.get("sandbox_owner", "")
        self.shared = False

    def tell_worker(self, given: dict[str, str]) -> None:
        """Called in the controlling process for each of its workers."""
        from sandbox import owner
        from sandbox.testing.names import name_for

        self.project = self.project or name_for(self.config.rootpath, _option(self.config, "keep"))
        given |= {"sandbox_project": self.project, "sandbox_owner": owner.label()}

    def ask_for(self, services: Iterable[str]) -> None:
        """What all tests need. All workers collect the same tests, so all come to the same end."""
        self.asked = tuple(dict.fromkeys(services))
        how = _option(self.config, "xdist")
        self.shared = bool(self.worker) and (how == "shared" or (how == "auto" and not AWS & set(self.asked)))
        if self.worker and not self.shared:
            self.project += f"-{self.worker}"

    def sandbox(self, *services: str) -> RunningSandbox:
        """The running sandbox with these services; it is started, or grows, if it has to."""
        from sandbox.testing.start import Sandbox, Starting

        timeout = int(_option(self.config, "timeout"))
        if attached := _option(self.config, "project"):
            self.running = Sandbox.attach(attached, *self.asked, *services, timeout=timeout)
            return self.running
        if self.starting is None or self.running is None:
            self.starting = Starting(
                tuple(dict.fromkeys([*self.asked, *services])),
                self.project,
                _option(self.config, "keep"),
                dict(line.split("=", 1) for line in self.config.getini("sandbox_set")),
                timeout,
                self.config.rootpath,
                self.shared,
                self.owner,
            )
            self.running = self.starting.__enter__()
            self.kept = self.starting.project if self.starting.keep else ""
        elif not all(self.running.has(need) for need in services):
            self.running = self.starting.up(*services)
        return self.running

    def end(self) -> None:
        """Takes down what this process started, unless it is to be kept."""
        if self.starting and self.running:
            self.starting.__exit__(None, None, None)
        self.starting = self.running = None

    def end_shared(self) -> None:
        """Takes down what the workers shared; one that died cannot do it."""
        if self.worker or not self.project or _option(self.config, "keep"):
            return
        from sandbox.workspace import home

        if any(home(os.environ).glob(f"{self.project}*")):
            from sandbox.testing.start import end_owned

            end_owned()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist starts a worker."""
    node.config.stash[RUN].tell_worker(node.workerinput)


def pytest_itemcollected(item: pytest.Item) -> None:
    names = getattr(item, "fixturenames", None)
    if names is not None and "sandbox" not in names and item.get_closest_marker("sandbox"):
        names.insert(0, "sandbox")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What all chosen tests need comes up at once, side by side."""
    asked = _option(session.config, "services").replace(",", " ").split()
    for item in session.items:
        item.stash[ASKED] = _asked(item)
        asked += item.stash[ASKED]
    session.config.stash[RUN].ask_for(asked)


def _asked(item: pytest.Item) -> tuple[str, ...]:
    """The services a test names in markers, and those of our fixtures (not of others with the same name)."""
    marked = [str(name) for marker in item.iter_markers("sandbox") for name in marker.args]
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    ours = [n for n in NEEDS if n in definitions and definitions[n][-1].func.__module__ == __name__]
    return tuple(dict.fromkeys([*marked, *(need for name in ours for need in NEEDS[name])]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """A fault ends with its test."""
    try:
        yield
    finally:
        run = item.config.stash[RUN]
        if run.running:
            run.running.heal()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    run = item.config.stash[RUN]
    if report.failed and run.running and "sandbox" in getattr(item, "fixturenames", ()):
        services = item.stash.get(ASKED, ())
        text = run.running.describe(tuple(run.running.meeting(services)))
        if not (_option(item.config, "keep") or _option(item.config, "project")):
            text += "\n(--sandbox-keep leaves it running, to be looked at)"
        report.sections.append((f"sandbox {run.running.project}", text))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[RUN].end()


def pytest_unconfigure(config: pytest.Config) -> None:
    if run := config.stash.get(RUN, None):
        run.end()
        run.end_shared()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    run = config.stash[RUN]
    if project := run.kept or (_option(config, "keep") and run.project):
        terminalreporter.write_sep("-", "sandbox")
        command = f"sandbox --project {project}"
        terminalreporter.write_line(f"kept: `{command} status`, `{command} down --volumes`")


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest) -> RunningSandbox:
    """The running sandbox with the services that the tests ask for."""
    return _running(request.config)


def _running(config: pytest.Config, *services: str) -> RunningSandbox:
    from sandbox.errors import EngineError, SandboxError

    try:
        return config.stash[RUN].sandbox(*services)
    except SandboxError as caught:
        error = caught  # told outside this block, or pytest shows it twice
    text = f"sandbox: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")
    if isinstance(error, EngineError) and _option(config, "without_docker") == "skip":
        pytest.skip(text.replace("\n", "; "))
    pytest.fail(text, pytrace=False)


def _client(request: pytest.FixtureRequest, name: str, kind: str, capability: str = "") -> Any:
    """A ready-made fixture's client, of the service of that name or the one with the capability."""
    from sandbox.errors import SandboxError
    from sandbox.testing import services

    running = _running(request.config, *NEEDS[name])
    service = running.provider(capability, name) if capability else NEEDS[name][0]
    try:
        client: Web = getattr(services, kind)(running, service)
        request.addfinalizer(client.close)
        return client
    except SandboxError as caught:
        error = caught
    pytest.fail(f"the fixture {name}: {error.message}\nhint: {error.hint}", pytrace=False)


@pytest.fixture
def aws(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Iterator[Aws]:
    """AWS with nothing in it: `aws.client("s3")`. The environment says the same to the code under test."""
    from sandbox.testing.names import fresh_account
    from sandbox.testing.services import Aws

    running = _running(request.config, *NEEDS["aws"])
    mine = Aws(running, fresh_account())
    used_by_others = running.shared or bool(_option(request.config, "project"))
    if not used_by_others:
        running.reset(mine.service)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
            patch.delenv(name, raising=False)
        for name, value in mine.env.items():
            patch.setenv(name, value)
        yield mine
    if used_by_others:
        mine.empty()
    mine.close()


@pytest.fixture(scope="session")
def prometheus(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Prometheus:
    """Metrics: `prometheus.wait_for("up", lambda value: value == 1)`."""
    client: Prometheus = _client(request, "prometheus", "Prometheus")
    return client


@pytest.fixture(scope="session")
def alerts(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Alerts:
    """Alerts: `alerts.wait_for("TargetDown")`."""
    client: Alerts = _client(request, "alerts", "Alerts")
    return client


@pytest.fixture(scope="session")
def gateway(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Gateway:
    """The load balancer: `gateway.get("/api/products")`."""
    client: Gateway = _client(request, "gateway", "Gateway")
    return client


@pytest.fixture(scope="session")
def grafana(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Grafana:
    """Dashboards: `grafana.dashboards()`."""
    client: Grafana = _client(request, "grafana", "Grafana")
    return client


@pytest.fixture(scope="session")
def logstore(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Logstore:
    """The log store: `logstore.wait_for("level:error")`."""
    client: Logstore = _client(request, "logstore", "Logstore", "logs")
    return client


@pytest.fixture(scope="session")
def ci(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Ci:
    """Builds: `ci.build("shop", {"BRANCH": "main"}).result`."""
    client: Ci = _client(request, "ci", "Ci", "ci")
    return client
