"""Images: first the plan, per image one of present, load, pull, build or impossible; then the work, with progress."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

from sandbox import host, processes, relay
from sandbox.engine import Engine
from sandbox.errors import EngineError, SandboxError
from sandbox.model import LABEL_RECIPE, Event, Service, Stack

if TYPE_CHECKING:
    from sandbox.bundle import Bundle

OWN = "sandbox/"
ROOT_IMAGE = "python:3.13-slim-trixie"
ROOT_BUILT = "sandbox/root:trixie"
ROOT_PACKAGES = "ca-certificates,python3,python3-pip,python-is-python3"
ROOT_CHANGES = ("ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore", 'CMD ["bash"]')
PARTS = "parts"  # the file of a recipe whose image holds some of our own package
ATTEMPTS = 5  # with pauses of 1, 2, 4 and 8 s: a laptop that serves a room may doze
LATE_ATTEMPTS = 3  # at asking; the engine itself waits 25 s for each answer
PULLS, BUILDS = 3, 2
CACHES = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
FROM = re.compile(r"^FROM (\S+)", re.MULTILINE)
STEP = re.compile(r"^#\d+ \[ *(\d+)/(\d+)\]")
LATE = re.compile(r"timeout|timed out|deadline exceeded|canceled|reset by peer|\bEOF\b", re.IGNORECASE)
UNREACHABLE = re.compile(f"no such host|refused|unreachable|server misbehaving|{LATE.pattern}", re.IGNORECASE)
FINAL = re.compile(
    "not found|no matching manifest|does not match|denied|unauthorized|manifest unknown|no such host", re.IGNORECASE
)

Report = Callable[[Event], None]


@dataclass(frozen=True)
class ImagePlan:
    """How one image is obtained. `image` is what containers will use, `wanted` the fragment's choice.

    action: present, load, pull, build or impossible; `size` in bytes, 0 if unknown; `variable` may be empty.
    """

    service: str
    variable: str
    wanted: str
    image: str
    action: str
    size: int
    recipe: Path | None
    reason: str = ""


class Registries:
    """Asks registries, through the engine, whether they can be pulled from, and remembers the answers.

    A question counts as a pull where pulls are limited, so a registry is asked once, by one of its images.
    A mirror holds what somebody put there, so it is asked for each image as long as it can be reached, and again
    where it was late to answer: that it is slow does not say what it lacks.
    """

    def __init__(self, engine: Engine, mirror: str) -> None:
        self.engine, self.mirror, self.answers = engine, mirror, dict[str, str]()

    def why_not(self, image: str) -> str:
        """Why an image cannot be pulled; empty if it can."""
        name = mirrored(image, self.mirror) if self.mirror else image
        first = name.split("/")[0]
        registry = first if "/" in name and ("." in first or ":" in first) else ""
        if registry not in self.answers:
            answer = self._answer(name)
            if self.mirror and not UNREACHABLE.search(answer):
                return answer
            self.answers[registry] = answer
        return self.answers[registry]

    def _answer(self, name: str) -> str:
        for attempt in range(LATE_ATTEMPTS if self.mirror else 1):
            time.sleep(attempt)
            answer = self.engine.why_not_pullable(name)
            if not LATE.search(answer):
                break
        return relay.shown(answer)


def plan(
    stack: Stack,
    sizes: Mapping[str, int],
    mode: str,
    registries: Registries,
    chosen: Mapping[str, str],
    bundled: Mapping[str, int] | None = None,
) -> list[ImagePlan]:
    """One plan per image of the stack. `sizes` are the images on this computer, `bundled` those of the bundle,
    `chosen` the user's own `*_IMAGE` settings.
    """
    plans: dict[str, ImagePlan] = {}
    for service in stack.services:
        for image, variable in _images(service, chosen):
            if image not in plans:
                recipe = None if variable in chosen else find_recipe(service, variable)
                plans[image] = _plan_one(service, image, variable, recipe, mode, sizes, registries, bundled or {})
    return list(plans.values())


def summary(plans: Sequence[ImagePlan]) -> str:
    """One line on the work ahead; empty when every image is there."""
    parts = []
    for action, word in (("load", "to load"), ("pull", "to pull"), ("build", "to build")):
        if work := [item for item in plans if item.action == action]:
            size = sum(item.size for item in work) // 10**6
            parts.append(f"{len(work)} {word}" + (f" (up to {size:,} MB)" if size else ""))
    return f"images: {', '.join(parts)}" if parts else ""


def find_recipe(service: Service, variable: str) -> Path | None:
    """`images/<name>/` or `apps/<name>/` beside the fragment, with the name from `<NAME>_IMAGE`."""
    name = variable.removesuffix("_IMAGE").lower().replace("_", "-")
    folders = (service.fragment.parent / kind / name for kind in ("images", "apps"))
    return next((folder for folder in folders if name and (folder / "Dockerfile").is_file()), None)


def official(recipe: Path) -> str:
    """The image that a recipe adds to, where that is not our base: it must be pulled first. Empty for all others."""
    first = FROM.search((recipe / "Dockerfile").read_text(encoding="utf-8"))
    return "" if not first or "$" in first[1] or first[1] == "scratch" else first[1]


def built_name(recipe: Path) -> str:
    """`sandbox/<name>:<digest of the recipe and of the base it stands on>`."""
    digest = hashlib.sha256()
    for folder in (recipe,) if official(recipe) else dict.fromkeys((_base(recipe), recipe)):
        for name, path in _context(folder).items():
            digest.update(f"{name}\0".encode() + path.read_bytes())
    return f"{OWN}{recipe.name}:{digest.hexdigest()[:12]}"


def mirrored(image: str, registry: str) -> str:
    """The image's name behind a mirror: `quay.io/a/b:1` -> `<registry>/a/b:1`, `c:1` -> `<registry>/library/c:1`."""
    first, slash, rest = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    path = rest if is_host else image if slash else f"library/{image}"
    return f"{registry}/{path}"


def obtain(
    plans: Sequence[ImagePlan],
    engine: Engine,
    mode: str,
    registry: str,
    report: Report,
    bundle: Bundle | None = None,
) -> list[ImagePlan]:
    """Does the work of a plan; the plans as they came true. A failed pull falls back to a recipe.

    Raises EngineError, before any work, for what cannot be had. What the registry said stands in the error if the
    recipe fails, too.
    """
    if hopeless := [item for item in plans if item.action == "impossible"]:
        raise EngineError(
            "\n".join(f"{item.service}: {item.wanted} cannot be had: {item.reason}" for item in hopeless),
            "--registry a mirror that has it, or leave it out: "
            f"--without {','.join(dict.fromkeys(item.service for item in hopeless))}",
        )
    if bundle and (to_load := [item.image for item in plans if item.action == "load"]):
        bundle.load(engine, report, to_load)
    done = {item.wanted: item for item in plans}
    to_build = [item for item in plans if item.action == "build"]
    pulls = [item for item in plans if item.action == "pull"]

    def pull_one(item: ImagePlan) -> None:
        try:
            pull(item.image, engine, registry, report)
        except SandboxError as error:
            if item.recipe is None or mode == "pull" or isinstance(error, EngineError):
                hint = error.hint or "try again, or --registry a mirror"
                raise EngineError(f"{item.service}: {error.message}", hint) from error
            report(Event("warning", item.wanted, text=f"{error.message}; building it instead"))
            name, why = built_name(item.recipe), error.message
            instead = ImagePlan(item.service, item.variable, item.wanted, name, "build", 0, item.recipe, why)
            done[item.wanted] = instead
            to_build.append(instead)

    side_by_side([partial(pull_one, item) for item in pulls], PULLS)
    try:
        if to_build:
            build_all([item.recipe for item in to_build if item.recipe], engine, mode, registry, report)
    except SandboxError as error:
        said = [f"{item.image} was to be built because: {item.reason}" for item in to_build if registry and item.reason]
        raise type(error)("\n".join([error.message, *said]), error.hint) from error
    return list(done.values())


def pull(image: str, engine: Engine, registry: str, report: Report) -> None:
    """Pulls an image and gives a mirror's copy its own name."""
    source = mirrored(image, registry) if registry else image
    fetch(source, image, engine, report)
    if source != image:
        engine.tag(source, image)
    report(Event("image", image, "present"))


def fetch(source: str, image: str, engine: Engine, report: Report, platform: str = "") -> None:
    """Pulls `source`, for the engine's own platform unless another is named, with retries: the engine keeps and resumes
    layers. Progress is told of `image`.
    """

    def progress(done: int, total: int) -> None:
        percent = 100 * done / total if total else None
        report(Event("image", image, "pulling", f"{done // 10**6} of {total // 10**6} MB", percent))

    for attempt in range(1, ATTEMPTS + 1):
        try:
            report(Event("image", image, "pulling"))
            engine.pull(source, progress, platform)
            return
        except SandboxError as error:
            if isinstance(error, EngineError) or attempt == ATTEMPTS or FINAL.search(error.message):
                text = relay.shown(f"{source} cannot be pulled: {error.message}")
                raise type(error)(text, error.hint) from error
            report(Event("warning", image, text=f"{relay.shown(error.message)}; trying again"))
            time.sleep(2 ** (attempt - 1))


def build_all(recipes: Iterable[Path], engine: Engine, mode: str, registry: str, report: Report) -> None:
    """Builds recipes that are not there yet, and before them the base that they stand on."""
    present = engine.image_sizes()
    missing = [recipe for recipe in dict.fromkeys(recipes) if built_name(recipe) not in present]
    with tempfile.TemporaryDirectory() as folder:
        secrets = host.build_secrets(Path(folder)) if missing else {}
        for image in dict.fromkeys(filter(None, map(official, missing))):
            if image not in present:
                pull(image, engine, registry, report)
        for base in dict.fromkeys(_base(recipe) for recipe in missing if not official(recipe)):
            if built_name(base) not in present:
                root = _root_image(engine, mode, registry, report)
                _build(base, root, engine, secrets, report)
        jobs = [partial(_build, recipe, built_name(_base(recipe)), engine, secrets, report) for recipe in missing]
        side_by_side(jobs, BUILDS)


def side_by_side(jobs: Sequence[Callable[[], None]], limit: int) -> None:
    """Runs jobs on daemon threads, so that ^C never waits for them. Raises the first error, others left behind."""
    waiting: Queue[Callable[[], None]] = Queue()
    results: Queue[BaseException | None] = Queue()
    for job in jobs:
        waiting.put(job)

    def work() -> None:
        while not waiting.empty():
            job = waiting.get()
            try:
                job()
            except BaseException as error:  # handed to the waiting thread, whatever it is
                results.put(error)
            else:
                results.put(None)

    for _ in range(min(limit, len(jobs))):
        threading.Thread(target=work, daemon=True).start()
    for _ in jobs:
        error = results.get()
        if error is not None:
            raise error


def _images(service: Service, chosen: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for container in service.containers:
        names = [name for name in service.variables if name.endswith("_IMAGE") and f"${{{name}" in container.image]
        variable = names[0] if names else ""
        default = service.variables[variable].default if variable else container.image
        if container.image:
            found.append((chosen.get(variable) or default or "", variable))
    return found


def _plan_one(
    service: Service,
    image: str,
    variable: str,
    recipe: Path | None,
    mode: str,
    sizes: Mapping[str, int],
    registries: Registries,
    bundled: Mapping[str, int],
) -> ImagePlan:
    def planned(action: str, name: str, size: int = 0, reason: str = "") -> ImagePlan:
        return ImagePlan(service.name, variable, image, name, action, size, recipe, reason)

    own = image.startswith(OWN)
    built = built_name(recipe) if recipe else ""
    if image in sizes and not (own and recipe) and mode != "build":
        return planned("present", image, sizes[image])
    if built in sizes and (own or mode != "pull"):
        return planned("present", built, sizes[built], "built on this computer")
    if mode != "build" and (name := next((name for name in (image, built) if name in bundled), "")):
        return planned("load", name, bundled[name], "from the bundle")
    if mode == "offline":
        return planned("impossible", image, reason="it is not on this computer, and --images offline")
    reason = ""
    if recipe and mode == "auto" and registries.mirror:
        reason = registries.why_not(built)
        if not reason:
            return planned("pull", built, service.disk, "built by whoever fills the mirror")
    if recipe and (own or mode == "build"):
        start = official(recipe)
        if not start or start in sizes or not (why := registries.why_not(start)):
            return planned("build", built, service.disk, reason)
        return planned("impossible", image, reason=f"it is made of {start}, which cannot be pulled: {why}")
    reason = registries.why_not(image)
    if not reason:
        return planned("pull", image, service.disk)
    if recipe and mode == "auto":
        return planned("build", built, service.disk, reason)
    return planned("impossible", image, reason=reason)


def _context(recipe: Path) -> dict[str, Path]:
    """The files of a build, by their name in it: the recipe's own, and what its file `parts` names of our package."""
    found = {str(path.relative_to(recipe)): path for path in _plain_files(recipe)}
    if PARTS in found:
        package = Path(__file__).parent
        for part in found[PARTS].read_text(encoding="utf-8").split():
            for path in _plain_files(package / part):
                found[f"package/sandbox/{path.relative_to(package)}"] = path
    return dict(sorted(found.items()))


def _plain_files(path: Path) -> Iterator[Path]:
    for each in path.rglob("*") if path.is_dir() else (path,):
        if each.is_file() and not CACHES.intersection(each.parts):
            yield each


def _base(recipe: Path) -> Path:
    """The base recipe beside this one; a user's own recipe stands on the catalogue's."""
    from sandbox.resources import compose_folder

    near = recipe.parent.parent / "images" / "base"
    return near if near.is_dir() else compose_folder() / "images" / "base"


def _root_image(engine: Engine, mode: str, registry: str, report: Report) -> str:
    present = engine.image_sizes()
    for name in (ROOT_IMAGE, ROOT_BUILT):
        if name in present:
            return name
    if not Registries(engine, registry).why_not(ROOT_IMAGE):
        try:
            pull(ROOT_IMAGE, engine, registry, report)
            return ROOT_IMAGE
        except SandboxError as error:
            report(Event("warning", ROOT_IMAGE, text=error.message))
    _bootstrap_root(engine, report)
    return ROOT_BUILT


def _bootstrap_root(engine: Engine, report: Report) -> None:
    """Makes a Debian root from packages, where no registry can be reached (about 1 minute, 180 MB)."""
    report(Event("image", ROOT_BUILT, "building", "from Debian packages, with debootstrap"))
    if not host.is_root() or not processes.have("debootstrap"):
        raise EngineError(
            f"{ROOT_IMAGE} cannot be pulled, and without root and debootstrap it cannot be built",
            "`sudo sandbox doctor --fix`, then `sudo sandbox images build`; or --registry a mirror",
        )
    with tempfile.TemporaryDirectory() as folder:
        root, archive = Path(folder) / "root", Path(folder) / "root.tar"
        command = ["debootstrap", "--variant=minbase", f"--include={ROOT_PACKAGES}", "trixie", str(root)]
        processes.run([*command, *host.debian_mirror()], "building the root image")
        with tarfile.open(archive, "w") as tar:
            tar.add(root, arcname=".", filter=_without_caches)
        engine.import_root(archive, ROOT_BUILT, [*ROOT_CHANGES, f"LABEL {LABEL_RECIPE}=root"])
    report(Event("image", ROOT_BUILT, "present"))


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    caches = ("./var/cache/apt/", "./var/lib/apt/lists/", "./usr/share/doc/", "./usr/share/man/")
    return None if entry.name.startswith(caches) and not entry.isdir() else entry


def _build(recipe: Path, base: str, engine: Engine, secrets: Mapping[str, Path], report: Report) -> None:
    name = built_name(recipe)
    report(Event("image", name, "building"))

    def log(line: str) -> None:
        if step := STEP.match(line):
            percent = 100 * (int(step[1]) - 1) / int(step[2])
            report(Event("image", name, "building", f"step {step[1]} of {step[2]}", percent))

    arguments = {"BASE_IMAGE": base, **host.proxies()}
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder) if (recipe / PARTS).is_file() else recipe
        if context != recipe:
            for inner, path in _context(recipe).items():
                (context / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, context / inner)
        engine.build(context, name, arguments, secrets, {LABEL_RECIPE: recipe.name}, log)
    report(Event("image", name, "present"))
