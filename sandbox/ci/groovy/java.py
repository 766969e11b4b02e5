"""Finds Java and Groovy on this computer, and compiles our Groovy side once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox import processes
from sandbox.errors import SandboxError

SOURCES = Path(__file__).parent / "worker"
GROOVY = (
    "/usr/share/java/groovy-all.jar",
    "/usr/share/groovy/embeddable/groovy-all-2.4.21.jar",
    "/opt/groovy/embeddable/groovy-all-2.4.21.jar",
)
FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData",
         # Java warns on standard output, which is where the worker talks to us.
         "-Xlog:disable", "-Xlog:all=warning:stderr", "-XX:+DisplayVMOutputToStderr",
         "-XX:+ExitOnOutOfMemoryError")  # fmt: skip
# Groovy 2.4 looks into the JDK's own classes when a script calls their methods.
OPENED = ("java.lang", "java.lang.reflect", "java.util", "java.util.concurrent", "java.io", "java.net", "java.nio.file",
          "java.text", "java.time", "java.util.regex", "java.util.stream")  # fmt: skip
# Groovy keeps what it learnt of each class in soft references: without these flags every build adds 150 kB for good.
SPARING = ("-XX:SoftRefLRUPolicyMSPerMB=1", "-XX:MinHeapFreeRatio=10", "-XX:MaxHeapFreeRatio=30",
           "-XX:MaxMetaspaceSize=160m", "-XX:ReservedCodeCacheSize=48m", "-Xss1m")  # fmt: skip
ARCHIVE = "classes.jsa"
IN_IMAGE = ("python3", "-m", "sandbox.ci.groovy")
IMAGE_RESERVE_MB = 256  # what Java needs besides its heap


def groovy_jar(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The one jar that holds all of Groovy 2.4.21, if it is installed. SANDBOX_GROOVY_JAR names another place."""
    candidates = [environ["SANDBOX_GROOVY_JAR"]] if environ.get("SANDBOX_GROOVY_JAR") else list(GROOVY)
    return next((Path(path) for path in candidates if Path(path).is_file()), None)


def is_there() -> bool:
    """Whether Java and Groovy are installed on this computer."""
    return processes.have("java") and groovy_jar() is not None


def command(heap_mb: int, libraries: Sequence[Path] = ()) -> list[str]:
    """What starts the worker: the host's Java, or else the one in our image, which then sees the `libraries`.

    Raises SandboxError where there is neither.
    """
    if is_there():
        return own_command(heap_mb)
    image = _image()
    if not image:
        raise SandboxError(
            "Java or Groovy 2.4 is not installed, and there is no image of the ci service",
            "apt-get install groovy default-jre-headless, or `sandbox images build ci`",
        )
    seen = [f"--volume={folder}:{folder}:ro" for folder in libraries]
    limits = ["--network=none", f"--memory={heap_mb + IMAGE_RESERVE_MB}m", "--read-only", "--tmpfs=/tmp"]
    return ["docker", "run", "--rm", "--interactive", *limits, *seen, image, *IN_IMAGE, str(heap_mb)]


def _image() -> str:
    """The newest image of the ci service here; SANDBOX_CI_IMAGE names another. Empty if there is none."""
    chosen = os.environ.get("SANDBOX_CI_IMAGE")
    listed = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "sandbox/ci"]
    return chosen or next(iter(processes.output(listed).split()), "")


def own_command(heap_mb: int) -> list[str]:
    """The worker in the Java of this computer. Compiles it first if that was not done."""
    jar = groovy_jar()
    if jar is None:
        raise SandboxError("Groovy 2.4 is not installed", "apt-get install groovy")
    folder = _compiled(jar)
    opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED]
    limits = [f"-Xmx{heap_mb}m", f"-Xmn{heap_mb // 5}m", *SPARING]
    return [*_java(folder, jar), *limits, *opened, "sandbox.Worker"]


def _java(folder: Path, jar: Path) -> list[str]:
    """Java with our classes; an archive of loaded classes makes it start sooner and share memory."""
    archive = folder / ARCHIVE
    sharing = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    return ["java", *FLAGS, *sharing, "-cp", f"{folder / 'worker.jar'}:{jar}"]


def _compiled(jar: Path) -> Path:
    sources = sorted(SOURCES.rglob("*.groovy"))
    uses = f"{os.path.realpath(shutil.which('java') or 'java')} {jar} {jar.stat().st_size}"
    key = hashlib.sha256(b"".join(source.read_bytes() for source in sources) + uses.encode()).hexdigest()[:16]
    folder = _cache() / f"groovy-{key}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        made.chmod(0o755)
        _compile(sources, jar, made)
        try:
            made.rename(folder)
        except OSError:  # someone else was quicker
            shutil.rmtree(made)
        else:
            _archive(folder, jar)
    return folder


def _compile(sources: list[Path], jar: Path, folder: Path) -> None:
    classes = folder / "classes"
    classes.mkdir()
    java = ["java", *FLAGS, "-cp", str(jar)]
    compiler = [*java, "org.codehaus.groovy.tools.FileSystemCompiler", "-cp", str(jar), "-d", str(classes)]
    processes.run([*compiler, *map(str, sources)], "compiling the Groovy worker")
    shutil.make_archive(str(folder / "worker"), "zip", classes)
    (folder / "worker.zip").rename(folder / "worker.jar")
    shutil.rmtree(classes)


def _archive(folder: Path, jar: Path) -> None:
    """Lets the worker compile itself warm once, and keeps the classes that took."""
    dump = f"-XX:ArchiveClassesAtExit={folder / ARCHIVE}"
    processes.run([*_java(folder, jar), dump, "sandbox.Worker", "warm"], "archiving the Groovy worker's classes")


def _cache() -> Path:
    """Where compiled classes are kept: SANDBOX_CI_CACHE (set in our image), else the user's cache folder."""
    chosen = os.environ.get("SANDBOX_CI_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sandbox"
