"""Sandbox: the use cases. The command line, test suites and workshops are skins over this class."""

from __future__ import annotations

import queue
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sandbox import catalogue as catalogues
from sandbox import (
    images,
    logsearch,
    logsend,
    planning,
    readiness,
    relay,
    terraform,
    terraform_program,
    variables,
    waiting,
)
from sandbox.catalogue import Catalogue
from sandbox.engine import Engine, LogLine
from sandbox.errors import ConfigurationError, SandboxError, UsageError, did_you_mean
from sandbox.faults import FaultSwitches
from sandbox.logsearch import FoundLine, LogStore
from sandbox.logsend import LogInput
from sandbox.model import (
    ContainerState,
    Event,
    FaultState,
    Rendering,
    Report,
    Say,
    Service,
    ServiceState,
    Settings,
    Stack,
)
from sandbox.observation import login_of, url_of, waiting_for
from sandbox.planning import Planner
from sandbox.render import render
from sandbox.resources import configs_folder
from sandbox.settings import REPLICAS_SUFFIX
from sandbox.workspace import Workspace

SOCKET = "DOCKER_SOCKET"  # the variable of services that read the engine's socket
PORT_TRIES = 3
PORT_TAKEN = re.compile("port is already allocated|address already in use")
SHOWN = 1000  # lines of a search, unless more are asked for


class Sandbox:
    """One sandbox by name: what exists of it is asked of the engine and read from its folder."""

    def __init__(self, project: str, home: Path, engine: Engine, say: Say, owner: str = "") -> None:
        """`owner` is the label of the process that the sandbox must not outlive (see `owner`), if there is one."""
        self.project = project
        self.owner = owner
        self.engine = engine
        self.say = say
        self.planner = Planner(engine, say)
        self.workspace = Workspace(home, project)
        self._known: tuple[object, Catalogue] = ((), Catalogue({}))

    # --- choosing and rendering -------------------------------------------------------------

    def choose(self, settings: Settings, catalogue: Catalogue) -> tuple[Stack, list[images.ImagePlan]]:
        """The services to run and where their images come from."""
        return self.planner.choose(settings, catalogue)

    def obtain(self, plans: Sequence[images.ImagePlan], settings: Settings) -> list[images.ImagePlan]:
        """Gets every image of a plan; the plans as they came true."""
        registry = relay.local(settings.registry)
        return images.obtain(plans, self.engine, settings.images, registry, self.say, planning.bundle(settings))

    def rendering(self, settings: Settings, stack: Stack, image_of: Mapping[str, str], ports: bool) -> Rendering:
        """The folder's files. With `ports`, taken ports are moved aside."""
        previous = self.workspace.previous_values()
        values = {}
        for name, variable in stack.variables.items():
            values[name] = settings.text(variable)
            if variable.secret and not values[name]:
                values[name] = previous.get(name) or secrets.token_hex(12)
            if name.endswith(REPLICAS_SUFFIX) and name not in settings.values:  # `sandbox scale` was the last word
                values[name] = previous.get(name) or values[name]
        if SOCKET in values and SOCKET not in settings.values:
            values[SOCKET] = self.engine.socket() or values[SOCKET]
        values.update(image_of)
        if ports:
            values.update(self.planner.ports(self.project, settings, stack, values, previous))
        return render(self.project, self.workspace.folder, stack, values, self.owner)

    # --- up -------------------------------------------------------------------------------

    def up(self, settings: Settings, catalogue: Catalogue) -> Report:
        """Brings the chosen services up and waits until they are useful. Twice is the same as once."""
        with self._alone():
            if foreign := self.engine.foreign(self.project):
                raise UsageError(
                    f"a Compose project {self.project} exists that is not a sandbox ({', '.join(foreign)})",
                    "choose another name: --project NAME",
                )
            stack, plans = self.choose(settings, catalogue)
            self._introduce(stack)
            if self._stands(settings, stack, plans):
                self._wait_again([service.name for service in stack.services], settings.timeout, content_tells=True)
                return self.status(ready=True)
            self.planner.check_room(stack, plans, settings)
            if work := images.summary(plans):
                self.say(_notice(work))
            done = self.obtain(plans, settings)
            image_of = {plan.variable: plan.image for plan in done if plan.variable}
            for attempt in range(PORT_TRIES):
                self.workspace.write(self.rendering(settings, stack, image_of, ports=True))
                try:
                    self._start_and_wait(stack, settings.timeout)
                    break
                except SandboxError as error:
                    # Another program took a port between our look and the engine's: another one is chosen.
                    if attempt == PORT_TRIES - 1 or not PORT_TAKEN.search(error.message):
                        raise
        return self.status(ready=True)

    def _stands(self, settings: Settings, stack: Stack, plans: Sequence[images.ImagePlan]) -> bool:
        """Whether all of it runs exactly as it would be rendered now, so that nothing need be started."""
        image_of = {plan.variable: plan.image for plan in plans if plan.variable}
        if not self.workspace.digest or any(plan.action != "present" for plan in plans):
            return False
        if self.rendering(settings, stack, image_of, ports=True).digest != self.workspace.digest:
            return False
        values = self.workspace.previous_values()
        wanted = {c.name: variables.expand(c.image, values) for c in stack.containers.values() if not c.one_shot}
        # The engine names a container's image by its id once the name stands for another image.
        there = {s.container: s.image for s in self.engine.containers(self.project) if s.state == "running"}
        return all(there.get(name) == image for name, image in wanted.items())

    def _alone(self) -> AbstractContextManager[None]:
        """One command at a time changes a sandbox."""
        return self.workspace.locked(lambda: self.say(_notice("another command works on this sandbox: waiting for it")))

    def _introduce(self, stack: Stack) -> None:
        names = ", ".join(service.name for service in stack.services)
        self.say(_notice(f"{self.project}: {names} ({stack.reason})"))
        for name, reason in stack.left_out.items():
            self.say(Event("warning", name, "left out", f"{name} is left out: {reason}"))
        gone = {s.service for s in self.engine.containers(self.project)} - {s.name for s in stack.services}
        if gone:
            self.say(_notice(f"no longer part of this sandbox: {', '.join(sorted(gone))} (their data is kept)"))

    def _start_and_wait(self, stack: Stack, timeout: int) -> None:
        values = self.workspace.previous_values()
        waiting.start_and_wait(stack, self.project, self.workspace.folder, values, self.engine, self.say, timeout)

    # --- reading --------------------------------------------------------------------------

    def catalogue(self) -> Catalogue:
        """The services as they were rendered; empty when the folder is gone or broken."""
        folder, edition = self.workspace.folder / "services", self.workspace.edition
        try:
            if not edition or edition != self._known[0]:
                self._known = edition, catalogues.read(folder, self.workspace.folder / "configs")
            return self._known[1]
        except ConfigurationError as error:
            self.say(Event("warning", text=error.message))
            return Catalogue({})

    def status(self, ready: bool | None = None) -> Report:
        """Every service now: state, content (asked again unless known to be `ready`), address, memory."""
        containers = self.engine.containers(self.project)
        memory = self.engine.memory([s.id for s in containers if s.state == "running"])
        services = self.catalogue().services
        values = self.workspace.previous_values()

        def look(name: str) -> ServiceState:
            own = [state for state in containers if state.service == name]
            service = services.get(name)
            main = next((state for state in own if state.container == name), own[0])
            waiting = "" if ready else waiting_for(service, own, containers, values)
            first = service.endpoints[0] if service and service.endpoints else None
            url = url_of(first, containers)
            return ServiceState(
                name=name,
                state=main.state,
                health=main.health,
                ready=not waiting,
                url=url + first.path if first and url else "",
                login=login_of(service, values),
                memory=sum(memory.get(state.id, 0) for state in own),
                waiting=waiting,
            )

        names = list(dict.fromkeys(state.service for state in containers))
        with ThreadPoolExecutor(max_workers=16) as pool:
            return Report(self.project, tuple(pool.map(look, names)))

    def url(self, service: str, endpoint: str = "") -> str:
        """The address of a service's endpoint (its first, unless named)."""
        known = self._service(service)
        wanted = [e for e in known.endpoints if endpoint in ("", e.name)]
        if not wanted:
            names = ", ".join(e.name for e in known.endpoints) or "none"
            raise UsageError(f"{service} has no endpoint {endpoint}".rstrip(), f"its endpoints: {names}")
        url = url_of(wanted[0], self.engine.containers(self.project))
        if not url:
            raise SandboxError(f"{service} is not running", f"`sandbox up {service}`")
        return url + wanted[0].path

    def port(self, service: str, port: int) -> int:
        """The port on this computer for one of a service's own."""
        for state in self._states([service]):
            if port in state.ports:
                return state.ports[port][1]
        raise UsageError(f"{service} publishes no port {port}", f"`docker port {self.project}-{service}-1` lists them")

    def login(self, service: str) -> tuple[str, str] | None:
        """User and password of a service; None where no login is needed."""
        return login_of(self._service(service), self.workspace.previous_values())

    def environment(self) -> dict[str, str]:
        """The variables that programs outside need: AWS_ENDPOINT_URL and the like."""
        containers = self.engine.containers(self.project)
        found = {}
        for service in self.catalogue().services.values():
            urls = {e.name: url_of(e, containers) for e in service.endpoints}
            for name, text in service.env.items():
                for endpoint, url in urls.items():
                    text = text.replace(f"{{{endpoint}}}", url)
                found[name] = text
        return found

    def terraform(self, registry: str = "") -> terraform.Terraform:
        """Terraform on the shop's configuration, against this sandbox's AWS. `registry` may have its image."""
        folder, aws = self.workspace.folder, self.environment()
        terraform.check(folder, aws)
        program = terraform_program.find(self.engine, self.project, folder, registry, self.say)
        source = configs_folder() / "terraform"
        return terraform.Terraform(folder, source, aws, program, lambda text: self.say(_notice(text)))

    def logs(self, services: Sequence[str], follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Lines of the services' containers. Without `follow` in the order of time; with it as they come."""
        states = self._states(services)
        if not follow:
            lines = [line for state in states for line in self.engine.logs(state.id, False, since, tail)]
            yield from sorted(lines, key=lambda line: line.time)
            return
        arrived: queue.Queue[LogLine | None] = queue.Queue(1000)

        def read(id: str) -> None:
            try:
                for line in self.engine.logs(id, True, since, tail):
                    arrived.put(line)
            finally:
                arrived.put(None)

        for state in states:
            threading.Thread(target=read, args=(state.id,), daemon=True).start()
        ended = 0
        while ended < len(states):
            line = arrived.get()
            if line is None:
                ended += 1
            else:
                yield line

    def search_logs(
        self, query: str, services: Sequence[str], follow: bool, since: float | None, tail: int | None
    ) -> Iterator[FoundLine]:
        """Lines that match a query of Lucene's kind, oldest first; with `follow`, for ever.

        They come from the log store. Where none runs, the engine's own logs are searched for the query's words.
        """
        store = self._log_store()
        if store is None:
            self.say(_notice("no log store runs here: searching the words in the engine's own logs"))
            yield from logsearch.plain_search(query, self.logs(services, follow, since, tail))
            return
        if follow:
            yield from store.follow(query, services, time.time() if since is None else since)
            return
        lines, total = store.search(query, services, since, tail or SHOWN)
        if total > len(lines):
            self.say(_notice(f"the newest {len(lines):,} of {total:,} lines; -n shows more, --since fewer"))
        yield from lines

    def send_logs(self, lines: Iterable[str], app: str, level: str) -> tuple[int, str]:
        """Sends lines into the log pipeline that runs: how many events they made, and where they went.

        Raises SandboxError when none runs, or when it does not take them.
        """
        for service, url in self._running("lines"):
            return LogInput(url).send(logsend.events(lines, app, level)), service.name
        raise SandboxError("no log pipeline runs here", "`sandbox up shipper` starts the light one")

    def _log_store(self) -> LogStore | None:
        values = self.workspace.previous_values()
        for service, url in self._running("logs"):
            return LogStore(url, login_of(service, values))
        return None

    def _running(self, capability: str) -> Iterator[tuple[Service, str]]:
        """The services that run and provide something, each with the address of its endpoint `http`."""
        containers = self.engine.containers(self.project)
        for service in self.catalogue().services.values():
            for endpoint in service.endpoints:
                if service.provides == capability and endpoint.name == "http" and (url := url_of(endpoint, containers)):
                    yield service, url

    # --- acting ---------------------------------------------------------------------------

    def execute(self, service: str, command: Sequence[str], tty: bool) -> int:
        """Runs a command in a service's container; its exit code."""
        state = self._states([service])[0]
        if state.state != "running":
            raise SandboxError(f"{service} is {state.state}", f"`sandbox restart {service}`")
        return self.engine.execute(state.id, command, tty)

    def output(self, service: str, command: Sequence[str]) -> tuple[int, str]:
        """Runs a command in a service's container; its exit code and what it printed."""
        state = self._states([service])[0]
        if state.state != "running":
            raise SandboxError(f"{service} is {state.state}", f"`sandbox restart {service}`")
        return self.engine.output(state.id, command)

    def ask(self, service: str, command: Sequence[str], container: str = "") -> list[str]:
        """What a command prints in each running container of a service (or in one of its containers alone).

        Raises SandboxError, with the command's own words, if it fails.
        """
        running = [s for s in self._states([service]) if s.state == "running" and container in ("", s.container)]
        if not running:
            raise SandboxError(f"{container or service} is not running", f"`sandbox restart {service}`")
        answers = []
        for state in running:
            code, text = self.engine.output(state.id, command)
            if code:
                raise SandboxError(f"{state.name}: {text.strip() or f'{command[0]} ended with {code}'}")
            answers.append(text)
        return answers

    def faults(self) -> list[FaultState]:
        """The faults that this sandbox's services offer, and which are on."""
        return self._switches().states()

    def inject(self, name: str, service: str, amount: float | None, container: str = "") -> FaultState:
        """Switches a fault on. Raises UsageError if there is none, or if more than one service knows it."""
        return self._switches().inject(name, service, amount, container)

    def clear(self, name: str = "", service: str = "") -> None:
        """Switches faults off: all, or those of this name or service."""
        self._switches().clear(name, service)

    def _switches(self) -> FaultSwitches:
        here = {state.service for state in self.engine.containers(self.project) if state.state == "running"}
        return FaultSwitches([s for s in self.catalogue().services.values() if s.name in here], self.ask)

    def scale(self, service: str, count: int, timeout: int) -> None:
        """Runs a service on this many containers, from now on, and waits until they are useful."""
        known = self._service(service)
        variable = service.upper().replace("-", "_") + REPLICAS_SUFFIX
        if variable not in known.variables:
            able = [
                s.name
                for s in self.catalogue().services.values()
                if any(n.endswith(REPLICAS_SUFFIX) for n in s.variables)
            ]
            raise UsageError(f"{service} cannot be scaled", f"these can: {', '.join(able) or 'none'}")
        with self.workspace.locked(lambda: self.say(_notice("another command works on this sandbox: waiting for it"))):
            self.workspace.keep_values({variable: str(count)})
            self._start_and_wait(self._running_stack(), timeout)

    def restart(self, services: Sequence[str], timeout: int) -> None:
        """Restarts containers, all or those of the named services, and waits until they are useful again."""
        self.engine.restart([state.id for state in self._states(services)])
        names = list(dict.fromkeys(state.service for state in self._states(services)))
        self._wait_again(names, timeout)

    def stop(self, services: Sequence[str]) -> None:
        """Stops the services' containers, as when their computer is switched off; data stays."""
        self.engine.stop([state.id for state in self._states(services) if state.state == "running"])

    def pause(self, services: Sequence[str]) -> None:
        """Freezes the services: connections stay open and nobody answers."""
        self.engine.pause([state.id for state in self._states(services) if state.state == "running"])

    def cut_off(self, services: Sequence[str]) -> None:
        """Takes the services off the sandbox's network; they run on, and nobody reaches them."""
        for state in self._states(services):
            self.engine.disconnect(state.id)

    def heal(self, services: Sequence[str], timeout: int) -> None:
        """Ends what `stop`, `pause` and `cut_off` did, and waits until the services are useful again."""
        states = self._states(services)
        self.engine.unpause([state.id for state in states if state.state == "paused"])
        for state in states:
            self.engine.connect(state.id)
        one_shots = {c.name for s in self.catalogue().services.values() for c in s.containers if c.one_shot}
        stopped = [state.id for state in states if state.state == "exited" and state.container not in one_shots]
        self.engine.start(stopped)
        # After a pause the engine's own health check may take its whole interval to notice.
        self._wait_again(list(dict.fromkeys(state.service for state in states)), timeout, content_tells=True)

    @contextmanager
    def still(self, timeout: int) -> Iterator[list[ContainerState]]:
        """No service writes inside this block: they are frozen, or stopped where only that writes their state down."""
        with self._alone():
            states = self._states([])
            known = self.catalogue().services
            present = {state.service for state in states}
            storing = {name for name, service in known.items() if service.volumes and name in present}
            stopped = {name for name in storing if known[name].state == "stopped"}
            try:
                running = [state for state in states if state.state == "running" and state.service in storing]
                self.engine.stop([state.id for state in running if state.service in stopped])
                self.engine.pause([state.id for state in running if state.service not in stopped])
                yield states
            finally:
                if storing:
                    self.heal(sorted(storing), timeout)

    def replace_data(
        self, volumes: Sequence[str], secrets: Mapping[str, str], fill: Callable[[str, str], None], timeout: int
    ) -> None:
        """The same stack over other data: `fill` makes each of the volumes anew, with the help of an image."""
        with self._alone():
            states = self._states([])
            image = states[0].image
            self.engine.remove_containers([state.id for state in states], lambda id: None)
            mine = self.engine.leftovers(self.project)["volumes"]
            self.engine.remove_volumes([name for v in volumes if (name := f"{self.project}_{v}") in mine])
            for volume in volumes:
                fill(volume, image)
            self.workspace.keep_values(secrets)
            self._start_and_wait(self._running_stack(), timeout)

    def reset(self, services: Sequence[str], timeout: int) -> None:
        """The same stack with fresh data: services forget by their own means where they have such,
        the containers and volumes of the others are made anew.
        """
        known = self.catalogue().services
        names = list(dict.fromkeys(state.service for state in self._states(services)))
        others = [name for name in names if name not in known or not self._forgets(known[name])]
        if others:
            self._make_anew(others, timeout)
        self._wait_again(names, timeout)

    def _forgets(self, service: Service) -> bool:
        """Whether the service could be told to forget everything, and did."""
        url = url_of(service.endpoints[0] if service.endpoints else None, self.engine.containers(self.project))
        if not service.reset or not url:
            return False
        if wrong := readiness.ask(service.reset, url, None):
            self.say(_notice(f"{service.name} is made anew, as its own reset failed: {wrong}"))
        return not wrong

    def _make_anew(self, services: Sequence[str], timeout: int) -> None:
        with self._alone():
            states = self._states(services)
            names = list(dict.fromkeys(state.service for state in states))
            known = self.catalogue().services
            if not known:
                raise SandboxError(f"the folder {self.workspace.folder} is gone", "`sandbox up` makes it again")
            shared = {volume for name, service in known.items() if name not in names for volume in service.volumes}
            own = {volume for name in names if name in known for volume in known[name].volumes} - shared
            volumes = {f"{self.project}_{volume}" for volume in own}
            self.engine.remove_containers([state.id for state in states], lambda id: None)
            mine = self.engine.leftovers(self.project)["volumes"]
            self.engine.remove_volumes([name for name in mine if name in volumes])
            self._start_and_wait(self._running_stack(), timeout)

    def down(self, volumes: bool) -> int:
        """Removes our containers and networks, with `volumes` also the data and the folder's secrets stay.
        Returns how many containers there were.
        """
        states = self.engine.containers(self.project)
        name_of = {state.id: state.name for state in states}
        self.engine.remove_containers(list(name_of), lambda id: self.say(Event("service", name_of[id], "removed")))
        left = self.engine.leftovers(self.project)
        self.engine.remove_networks(left["networks"])
        if volumes:
            self.engine.remove_volumes(left["volumes"])
        return len(states)

    def _wait_again(self, names: Sequence[str], timeout: int, content_tells: bool = False) -> None:
        known = self.catalogue().services
        stack = Stack(tuple(known[name] for name in names if name in known), "", "")
        values = self.workspace.previous_values()
        waiting.wait(stack, self.project, values, self.engine, self.say, timeout, content_tells)

    def _running_stack(self) -> Stack:
        return Stack(tuple(self.catalogue().services.values()), "", "")

    def _service(self, name: str) -> Service:
        services = self.catalogue().services
        if name not in services:
            running = ", ".join(services) or "nothing"
            raise UsageError(
                f"{name} is not part of the sandbox {self.project}{did_you_mean(name, services)}", f"it has: {running}"
            )
        return services[name]

    def _states(self, services: Sequence[str]) -> list[ContainerState]:
        """The containers of the services, or all. Raises for a service that has none."""
        states = self.engine.containers(self.project)
        present = dict.fromkeys(state.service for state in states)
        for name in services:
            if name not in present:
                raise UsageError(
                    f"{name} is not part of the sandbox {self.project}", f"it has: {', '.join(present) or 'nothing'}"
                )
        if not states:
            raise SandboxError(f"there is no sandbox {self.project} running", "`sandbox up`, or `sandbox ls`")
        return [state for state in states if not services or state.service in services]


def _notice(text: str) -> Event:
    return Event("notice", text=text)
