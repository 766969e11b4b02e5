"""Sandbox: the use cases. The command line, test suites and workshops are skins over this class."""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import catalogue as catalogues
from sandbox import host, images, logsearch, readiness, relay, variables
from sandbox.catalogue import AUTO, Catalogue
from sandbox.engine import Engine, EngineEvent, LogLine
from sandbox.errors import ConfigurationError, EngineError, NotReadyError, SandboxError, UsageError, did_you_mean
from sandbox.logsearch import FoundLine, LogStore
from sandbox.model import (
    ContainerState,
    Endpoint,
    Event,
    Faults,
    FaultState,
    Rendering,
    Report,
    Say,
    Service,
    ServiceState,
    Settings,
    Stack,
)
from sandbox.render import render
from sandbox.resources import configs_folder
from sandbox.settings import REPLICAS_SUFFIX
from sandbox.terraform import Terraform
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from sandbox.bundle import Bundle

PREFERRED = ("full", "lite")
DISK_RESERVE = 500 * 1024**2
TIGHT = 0.8  # of Docker's memory: above it there is a warning
CRASHES = 3
STEADY = 2.0  # seconds without a fall that stand in for a missing health check
TICK = 0.25
SHOWN = 1000  # lines of a search, unless more are asked for
EVERYWHERE = ("", "127.0.0.1", "0.0.0.0", "::")  # addresses at which localhost reaches a port


@dataclass
class Watched:
    """What the wait knows of one service: its last word, why it is not ready, how often it died."""

    said: str = ""
    waiting: str = ""
    asked: str = ""  # what the content check last waited for
    ready: bool = False
    told: bool = False
    deaths: int = 0
    since: float = 0.0


class Sandbox:
    """One sandbox by name: what exists of it is asked of the engine and read from its folder."""

    def __init__(self, project: str, home: Path, engine: Engine, say: Say, owner: str = "") -> None:
        """`owner` is the label of the process that the sandbox must not outlive (see `owner`), if there is one."""
        self.project = project
        self.owner = owner
        self.engine = engine
        self.say = say
        self.workspace = Workspace(home, project)

    # --- choosing and rendering -------------------------------------------------------------

    def choose(self, settings: Settings, catalogue: Catalogue) -> tuple[Stack, list[images.ImagePlan]]:
        """The services to run and where their images come from. `auto` explains its choice."""
        sizes = self.engine.image_sizes()
        registries = images.Registries(self.engine, relay.local(settings.registry))
        bundled = bundle.names if (bundle := self.bundle(settings)) else {}
        own = {n: str(v.value) for n, v in settings.values.items() if n.endswith("_IMAGE")}

        def plan(stack: Stack) -> list[images.ImagePlan]:
            return images.plan(stack, sizes, settings.images, registries, own, bundled)

        if settings.services or settings.profile != AUTO:
            stack = catalogues.choose(catalogue, settings.services, settings.profile, settings.without)
            return stack, plan(stack)
        reasons: list[str] = []
        for profile in PREFERRED:
            stack = catalogues.choose(catalogue, (), profile, [n for n in settings.without if n in catalogue.services])
            plans = plan(stack)
            reason = self._why_not(stack, plans, settings)
            if not reason:
                break
            reasons.append(f"not {profile}: {reason}")
        else:
            stack, plans = self._without_impossible(catalogue, settings, stack, plans)
        why = "; ".join([f"auto chose {stack.profile}", *reasons])
        return Stack(stack.services, stack.profile, why, stack.left_out), plans

    def _why_not(self, stack: Stack, plans: Sequence[images.ImagePlan], settings: Settings) -> str:
        if lost := [plan.service for plan in plans if plan.action == "impossible"]:
            return f"no image can be had for {', '.join(dict.fromkeys(lost))}"
        try:
            self.check_room(stack, plans, settings)
        except SandboxError as error:
            return error.message.splitlines()[0]
        return ""

    def _without_impossible(
        self, catalogue: Catalogue, settings: Settings, stack: Stack, plans: Sequence[images.ImagePlan]
    ) -> tuple[Stack, list[images.ImagePlan]]:
        """The last profile, less what cannot be had and what needs it."""
        lost = {plan.service: plan.reason for plan in plans if plan.action == "impossible"}
        names = [service.name for service in stack.services]
        gone = catalogues.dependents(catalogue, names, lost)
        kept = [name for name in names if name not in gone]
        smaller = catalogues.choose(catalogue, kept, "", ()) if kept else stack
        left_out = {name: lost.get(name, f"needs {', '.join(lost)}") for name in sorted(gone)}
        return Stack(smaller.services, stack.profile, "", left_out), [p for p in plans if p.service not in gone]

    def check_room(self, stack: Stack, plans: Sequence[images.ImagePlan], settings: Settings) -> None:
        """The plan before the start: memory limits against what Docker has, new images against the disk."""
        info = self.engine.info()
        limits = {name: self._limit(stack, name, settings) for name in stack.containers}
        needed = sum(limits.values())
        if needed > info.memory:
            largest = sorted(limits, key=lambda name: -limits[name])[:3]
            raise SandboxError(
                f"memory: the services may use {_mega(needed)}, Docker has {_mega(info.memory)}",
                f"choose a smaller --profile, or leave out: --without {largest[0]} (largest: {', '.join(largest)})",
            )
        if needed > TIGHT * info.memory:
            text = f"memory is tight: the services may use {_mega(needed)} of Docker's {_mega(info.memory)}"
            self.say(Event("warning", text=text))
        disk = sum(plan.size for plan in plans if plan.action in ("load", "pull", "build"))
        free = host.free_disk(info.root)
        if disk and disk + DISK_RESERVE > free:
            raise SandboxError(
                f"disk: the images need {_mega(disk)} and some room to work, {_mega(free)} is free",
                "`docker system df` shows what Docker holds; `sandbox images prune` removes what we no longer need",
            )

    def _limit(self, stack: Stack, container: str, settings: Settings) -> int:
        values = {name: settings.text(variable) for name, variable in stack.variables.items()}
        return variables.size(variables.expand(stack.containers[container].memory, values))

    def bundle(self, settings: Settings) -> Bundle | None:
        """The bundle that the settings name."""
        from sandbox.bundle import Bundle

        return Bundle(Path(settings.bundle)) if settings.bundle else None

    def obtain(self, plans: Sequence[images.ImagePlan], settings: Settings) -> list[images.ImagePlan]:
        """Gets every image of a plan; the plans as they came true."""
        registry = relay.local(settings.registry)
        return images.obtain(plans, self.engine, settings.images, registry, self.say, self.bundle(settings))

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
        values.update(image_of)
        if ports:
            values.update(self._ports(settings, stack, values, previous))
        return render(self.project, self.workspace.folder, stack, values, self.owner)

    def _ports(
        self, settings: Settings, stack: Stack, values: Mapping[str, str], previous: Mapping[str, str]
    ) -> dict[str, str]:
        """A free port for each published one, the last one used if possible."""
        mine = {port for state in self.engine.containers(self.project) for _, port in state.ports.values()}
        taken: set[int] = set()
        ports: dict[str, str] = {}
        for container in stack.containers.values():
            for port in container.ports:
                asked = int(values.get(port.variable, port.default))
                before = previous.get(port.variable, "")
                wanted = int(before) if before.isdecimal() and port.variable not in settings.values else asked
                chosen = port.variable in settings.values or before
                if settings.free_ports and port.variable and not chosen:
                    wanted = host.any_port(taken)
                free = wanted not in taken and (
                    wanted in mine or host.port_is_free(wanted, variables.expand(port.address, values))
                )
                if not free and (settings.strict_ports or not port.variable):
                    raise UsageError(
                        f"port {wanted} of {container.name} is taken", f"--set {port.variable}=… chooses another"
                    )
                got = wanted if free else host.free_port(wanted, taken)
                if not free:
                    self.say(Event("notice", container.name, text=f"port {wanted} is taken: using {got} instead"))
                taken.add(got)
                if port.variable:
                    ports[port.variable] = str(got)
        return ports

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
            self.check_room(stack, plans, settings)
            if work := images.summary(plans):
                self.say(_notice(work))
            done = self.obtain(plans, settings)
            image_of = {plan.variable: plan.image for plan in done if plan.variable}
            rendering = self.rendering(settings, stack, image_of, ports=True)
            self.workspace.write(rendering)
            self._start_and_wait(stack, settings.timeout)
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
        """Compose starts the containers on one thread, events arrive on another, this one asks and tells."""
        happened: queue.Queue[EngineEvent | BaseException | None] = queue.Queue()
        listening = threading.Event()
        close: list[Callable[[], None]] = []

        def listen() -> None:
            try:
                for event in self.engine.events(self.project, listening.set, close.append):
                    happened.put(event)
            except BaseException as error:  # told by the waiting thread
                happened.put(error)
            finally:
                listening.set()

        def start() -> None:
            try:
                self.engine.up(self.workspace.folder, stack.variables)
                happened.put(None)
            except BaseException as error:  # told by the waiting thread
                happened.put(error)

        threading.Thread(target=listen, daemon=True).start()
        listening.wait(10)
        threading.Thread(target=start, daemon=True).start()
        try:
            self._wait(stack, happened, timeout)
        finally:
            for end in close:
                end()

    def _wait(
        self,
        stack: Stack,
        happened: queue.Queue[EngineEvent | BaseException | None],
        timeout: int,
        content_tells: bool = False,
    ) -> None:
        """Until all is useful. With `content_tells`, right content outweighs a health check still to pass."""
        began = time.monotonic()
        watched = {service.name: Watched() for service in stack.services}
        started = False
        failure: BaseException | None = None
        with ThreadPoolExecutor(max_workers=8) as pool:
            while True:
                try:
                    event = happened.get(timeout=TICK)
                except queue.Empty:
                    pass
                else:
                    if event is None:
                        started = True
                        for seen in watched.values():  # Compose may have replaced what we looked at
                            seen.ready = False
                    elif isinstance(event, BaseException):
                        failure = event
                    else:
                        self._count(stack, event, watched)
                states = self._containers_by_service()
                self._look(stack, states, watched, pool, time.monotonic() - began, content_tells)
                if started and all(seen.ready for seen in watched.values()):
                    return
                crashed = [name for name, seen in watched.items() if seen.deaths >= CRASHES]
                if failure is not None and not crashed:
                    crashed = [n for n, seen in watched.items() if seen.said in ("unhealthy", "exited")]
                    if not crashed or isinstance(failure, EngineError):
                        raise failure
                late = time.monotonic() - began > timeout
                if crashed or late:
                    raise self._not_ready(crashed or [n for n, s in watched.items() if not s.ready], watched, timeout)

    def _count(self, stack: Stack, event: EngineEvent, watched: Mapping[str, Watched]) -> None:
        owner = next((s.name for s in stack.services for c in s.containers if c.name == event.container), None)
        if owner and event.action == "die" and event.exit_code not in (0, 143):
            watched[owner].deaths += 1

    def _containers_by_service(self) -> dict[str, list[ContainerState]]:
        found: dict[str, list[ContainerState]] = {}
        for state in self.engine.containers(self.project):
            found.setdefault(state.service, []).append(state)
        return found

    def _look(
        self,
        stack: Stack,
        states: Mapping[str, Sequence[ContainerState]],
        watched: Mapping[str, Watched],
        pool: ThreadPoolExecutor,
        seconds: float,
        content_tells: bool,
    ) -> None:
        """Tells what changed, and asks the healthy services whether their content is right."""
        healthy = []
        for service in stack.services:
            seen, word = watched[service.name], _word(service, states.get(service.name, ()))
            if seen.ready:
                continue
            if content_tells and word in ("starting", "unhealthy") and any(e.ready for e in service.endpoints):
                word = "healthy"
            if word != seen.said:
                seen.said, seen.since = word, seconds
                self.say(Event("service", service.name, word, seconds=seconds))
            seen.waiting = {"missing": "its container", "starting": "its health check"}.get(word, word)
            unchecked = any(not state.health for state in states.get(service.name, ()) if state.state == "running")
            if word == "healthy" and unchecked and seconds - seen.since < STEADY:
                seen.waiting = "to see whether it stays up"
            elif word == "healthy":
                healthy.append(service)
        all_states = [state for group in states.values() for state in group]
        values = self.workspace.previous_values()
        asked = pool.map(lambda service: _missing(service, all_states, values), healthy)
        for service, waiting in zip(healthy, asked, strict=True):
            seen = watched[service.name]
            if waiting and waiting != seen.asked:
                self.say(Event("service", service.name, "healthy", f"waiting for {waiting}", seconds=seconds))
            seen.waiting, seen.asked, seen.ready = waiting, waiting, not waiting
            if seen.ready and not seen.told:
                seen.told = True
                self.say(Event("service", service.name, "ready", seconds=seconds))

    def _not_ready(self, names: Sequence[str], watched: Mapping[str, Watched], timeout: int) -> SandboxError:
        parts = []
        for name in names:
            seen = watched[name]
            crashing = seen.deaths >= CRASHES
            parts.append(
                f"{name} keeps crashing" if crashing else f"{name} is not ready after {timeout} s: {seen.waiting}"
            )
            lines = [line for s in self._states([name]) for line in self.engine.logs(s.id, False, None, 20)]
            parts += [f"  {line.container} | {line.text}" for line in lines[-20:]]
        return NotReadyError(
            "\n".join(parts), f"the sandbox is left as it is: `sandbox logs {names[0]}`, `sandbox status`, `sandbox up`"
        )

    # --- reading --------------------------------------------------------------------------

    def catalogue(self) -> Catalogue:
        """The services as they were rendered; empty when the folder is gone or broken."""
        folder = self.workspace.folder / "services"
        try:
            return catalogues.read(folder, self.workspace.folder / "configs")
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
            waiting = "" if ready else _waiting(service, own, containers, values)
            first = service.endpoints[0] if service and service.endpoints else None
            url = _url(first, containers)
            return ServiceState(
                name=name,
                state=main.state,
                health=main.health,
                ready=not waiting,
                url=url + first.path if first and url else "",
                login=_login(service, values),
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
        url = _url(wanted[0], self.engine.containers(self.project))
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
        return _login(self._service(service), self.workspace.previous_values())

    def environment(self) -> dict[str, str]:
        """The variables that programs outside need: AWS_ENDPOINT_URL and the like."""
        containers = self.engine.containers(self.project)
        found = {}
        for service in self.catalogue().services.values():
            urls = {e.name: _url(e, containers) for e in service.endpoints}
            for name, text in service.env.items():
                for endpoint, url in urls.items():
                    text = text.replace(f"{{{endpoint}}}", url)
                found[name] = text
        return found

    def terraform(self) -> Terraform:
        """Terraform on the shop's configuration, against this sandbox's AWS."""
        return Terraform(self.workspace.folder, configs_folder() / "terraform", self.environment())

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

    def _log_store(self) -> LogStore | None:
        containers = self.engine.containers(self.project)
        values = self.workspace.previous_values()
        for service in self.catalogue().services.values():
            if service.provides == "logs":
                for endpoint in service.endpoints:
                    if url := _url(endpoint, containers):
                        return LogStore(url, _login(service, values))
        return None

    # --- acting ---------------------------------------------------------------------------

    def execute(self, service: str, command: Sequence[str], tty: bool) -> int:
        """Runs a command in a service's container; its exit code."""
        state = self._states([service])[0]
        if state.state != "running":
            raise SandboxError(f"{service} is {state.state}", f"`sandbox up {service}`")
        return self.engine.execute(state.id, command, tty)

    def output(self, service: str, command: Sequence[str]) -> tuple[int, str]:
        """Runs a command in a service's container; its exit code and what it printed."""
        state = self._states([service])[0]
        if state.state != "running":
            raise SandboxError(f"{service} is {state.state}", f"`sandbox up {service}`")
        return self.engine.output(state.id, command)

    def ask(self, service: str, command: Sequence[str], container: str = "") -> list[str]:
        """What a command prints in each running container of a service (or in one of its containers alone).

        Raises SandboxError, with the command's own words, if it fails.
        """
        running = [s for s in self._states([service]) if s.state == "running" and container in ("", s.container)]
        if not running:
            raise SandboxError(f"{container or service} is not running", f"`sandbox up {service}`")
        answers = []
        for state in running:
            code, text = self.engine.output(state.id, command)
            if code:
                raise SandboxError(f"{state.name}: {text.strip() or f'{command[0]} ended with {code}'}")
            answers.append(text)
        return answers

    def faults(self) -> list[FaultState]:
        """The faults that this sandbox's services offer, and which are on."""
        found = []
        for service in self._breakable():
            answers = [json.loads(text) for text in self.ask(service.name, [*_faults(service).command, "list"])]
            for fault in _faults(service).kinds:
                amount = max(float(answer.get(fault.name, 0)) for answer in answers)
                found.append(FaultState(service.name, fault, amount))
        return found

    def inject(self, name: str, service: str, amount: float | None, container: str = "") -> FaultState:
        """Switches a fault on. Raises UsageError if there is none, or if more than one service knows it."""
        known = [(s, f) for s in self._breakable() for f in _faults(s).kinds if service in ("", s.name)]
        able = [(s, f) for s, f in known if f.name == name]
        if not able:
            near = did_you_mean(name, [fault.name for _, fault in known])
            raise UsageError(f"there is no fault {name}{near}", "`sandbox fault list` shows them")
        if len(able) > 1:
            names = ", ".join(s.name for s, _ in able)
            raise UsageError(f"more than one service knows {name}: {names}", f"sandbox fault inject {name} SERVICE")
        target, fault = able[0]
        amount = fault.amount if amount is None else amount
        self.ask(target.name, [*_faults(target).command, "inject", name, f"{amount:g}"], container)
        return FaultState(target.name, fault, amount)

    def clear(self, name: str = "", service: str = "") -> None:
        """Switches faults off: all, or those of this name or service."""
        for target in self._breakable():
            knows = name in ("", *(fault.name for fault in _faults(target).kinds))
            if knows and service in ("", target.name):
                self.ask(target.name, [*_faults(target).command, "clear", *([name] if name else [])])

    def _breakable(self) -> list[Service]:
        here = {state.service for state in self.engine.containers(self.project) if state.state == "running"}
        services = [s for s in self.catalogue().services.values() if s.faults and s.name in here]
        if not services:
            raise SandboxError("no service of this sandbox has faults", "`sandbox up storefront`")
        return services

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
        url = _url(service.endpoints[0] if service.endpoints else None, self.engine.containers(self.project))
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
            volumes = {f"{self.project}_{volume}" for name in names if name in known for volume in known[name].volumes}
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
        happened: queue.Queue[EngineEvent | BaseException | None] = queue.Queue()
        happened.put(None)
        self._wait(stack, happened, timeout, content_tells)

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


def _faults(service: Service) -> Faults:
    assert service.faults
    return service.faults


def _notice(text: str) -> Event:
    return Event("notice", text=text)


def _mega(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"


def _word(service: Service, states: Sequence[ContainerState]) -> str:
    """One word for a service's containers: missing, created, starting, unhealthy, exited, healthy."""
    one_shots = {container.name for container in service.containers if container.one_shot}
    lasting = [state for state in states if state.container not in one_shots]
    failed = [s for s in states if s.state in ("exited", "dead") and (s.exit_code or s.container not in one_shots)]
    if failed or not lasting:
        return "exited" if failed else "missing"
    for state in lasting:
        if state.state != "running":
            return state.state
        if state.health == "unhealthy":
            return "unhealthy"
    return "healthy" if all(state.settled for state in lasting) else "starting"


def _url(endpoint: Endpoint | None, containers: Sequence[ContainerState]) -> str:
    """`http://localhost:<port>` of the endpoint, from what the engine publishes now."""
    for state in containers:
        if endpoint and state.container == endpoint.service and endpoint.port in state.ports:
            address, port = state.ports[endpoint.port]
            return f"http://{'localhost' if address in EVERYWHERE else address}:{port}"
    return ""


def _login(service: Service | None, values: Mapping[str, str]) -> tuple[str, str] | None:
    for endpoint in service.endpoints if service else ():
        if endpoint.login and endpoint.login.variable in values:
            return endpoint.login.user, values[endpoint.login.variable]
    return None


def _missing(
    service: Service, containers: Sequence[ContainerState], values: Mapping[str, str], read_only: bool = False
) -> str:
    """What the service's content checks wait for; empty when all is well."""
    for endpoint in service.endpoints:
        if not endpoint.ready:
            continue
        url = _url(endpoint, containers)
        if not url:
            return f"port {endpoint.port} of {endpoint.service}"
        login = (endpoint.login.user, values.get(endpoint.login.variable, "")) if endpoint.login else None
        if reason := readiness.missing(endpoint.ready, url, login, read_only):
            return reason
    return ""


def _waiting(
    service: Service | None,
    own: Sequence[ContainerState],
    containers: Sequence[ContainerState],
    values: Mapping[str, str],
) -> str:
    if service is None:
        return "" if all(state.settled for state in own) else own[0].health or own[0].state
    word = _word(service, own)
    return _missing(service, containers, values, read_only=True) if word == "healthy" else word
