"""What this computer offers: memory, disk, free ports, package settings; and how to give it a Docker engine."""

from __future__ import annotations

import ipaddress
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from sandbox import processes
from sandbox.errors import EngineError, UsageError

CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
SOURCES = Path("/etc/apt/sources.list.d/sandbox-docker.sources")
PREFERENCES = Path("/etc/apt/preferences.d/sandbox-docker")
SOCKET = Path("/var/run/docker.sock")
ENGINE_LOG = Path("/var/log/sandbox-dockerd.log")
PREFERENCES_TEXT = "Package: *\nPin: release n=trixie\nPin-Priority: 100\n"


def is_root() -> bool:
    """Whether this process may install software and build a root image."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def free_disk(folder: str) -> int:
    """Bytes free for images (where the engine keeps them, if that is on this computer)."""
    path = Path(folder or Path.home())
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def why_not_writable(folder: Path) -> str:
    """Why files cannot be made in a folder, or in what exists above it; empty if they can."""
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def port_is_free(port: int, address: str = "127.0.0.1", protocol: str = "tcp") -> bool:
    """Whether nothing listens on the port. Both tries are needed: some systems let two listeners share one."""
    if protocol == "udp":
        with socket.socket(type=socket.SOCK_DGRAM) as listener:
            try:
                listener.bind((address, port))
            except OSError:
                return False
        return True
    with socket.socket() as knock:
        knock.settimeout(0.5)
        if knock.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError:
            return False
    return True


def free_port(above: int, taken: Collection[int]) -> int:
    """The next free port after one that is taken."""
    candidates: list[int] = [*range(above + 1, 65536), *range(1024, above)]
    port = next((number for number in candidates if number not in taken and port_is_free(number)), None)
    if port is None:
        raise EngineError("no port is free on this computer")
    return port


def any_port(taken: Collection[int]) -> int:
    """A port that the system says is free; many processes that ask at once get different ones."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port not in taken:
            return port


def own_address(address: str) -> None:
    """Raises UsageError for what is not one IPv4 address to be served at."""
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        raise UsageError(f"{address} is not an IPv4 address", "give the one of this laptop in the room") from None
    if parsed.is_unspecified:
        raise UsageError("0.0.0.0 is every address of this computer", "give the one of this laptop in the room")


def proxies() -> dict[str, str]:
    """The proxy settings that builds should use."""
    return {name: os.environ[name] for name in PROXIES if os.environ.get(name)}


def build_secrets(folder: Path) -> dict[str, Path]:
    """What builds may see of this computer's settings: its CA bundle, and where pip and apt look.

    Written into `folder`; they are mounted into build steps and never become part of an image.
    """
    secrets = {}
    pip = ["[global]"]
    paths = [os.environ.get(name, "") for name in CA_VARIABLES] + [CA_BUNDLE]
    bundle = next((path for path in paths if path and Path(path).is_file()), None)
    if bundle:
        secrets["ca"] = Path(bundle)
        pip.append("cert = /run/host/ca.pem")
    for line in processes.output([sys.executable, "-m", "pip", "config", "list"]).splitlines():
        name, _, value = line.partition("=")
        key, text = name.rpartition(".")[2], value.strip("'\"")
        remote = [word for word in text.replace("\\n", " ").split() if not word.startswith(("file:", "/"))]
        if key in ("index-url", "extra-index-url", "trusted-host", "timeout") and remote:
            pip.append(f"{key} = {' '.join(remote)}")
    secrets["pip"] = folder / "pip.conf"
    secrets["pip"].write_text("\n".join([*pip, ""]))
    if processes.have("apt-config"):
        lines = processes.output(["apt-config", "dump"]).splitlines()
        wanted = [
            line for line in lines if line.lower().startswith(("acquire::http", "acquire::https")) and '""' not in line
        ]
        secrets["apt"] = folder / "apt.conf"
        secrets["apt"].write_text("\n".join([*wanted, ""]))
    return secrets


def debian_mirror() -> list[str]:
    """The address this Debian computer takes its packages from; empty elsewhere."""
    if _system()[0] != "debian":
        return []
    targets = processes.output(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    )
    found = [line.split()[0] for line in targets.splitlines() if "security" not in line and line.strip()]
    return found[:1]


def engine_is_there() -> bool:
    """Whether something listens where the `docker` command would look on this computer."""
    address = os.environ.get("DOCKER_HOST", f"unix://{SOCKET}")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as knock:
        try:
            knock.connect(address.removeprefix("unix://"))
        except OSError:
            return False
    return True


def install_engine(say: Callable[[str], None], data_root: str = "") -> None:
    """Installs a Docker engine on Debian or Ubuntu if there is none, and starts it. Says each thing it does."""
    system, version = _system()
    if system not in ("debian", "ubuntu"):
        raise EngineError(
            f"cannot install Docker on {platform.system()}", "install Docker Desktop or Docker Engine 25+"
        )
    if not is_root():
        raise EngineError("installing Docker needs root", "run `sudo sandbox doctor --fix`")
    wanted = ["docker.io", "docker-cli", "docker-compose", "docker-buildx"]
    if system == "ubuntu":
        wanted = ["docker.io", "docker-compose-v2", "docker-buildx"]
    complete = (
        processes.have("dockerd")
        and processes.have("debootstrap")
        and all(processes.output(["docker", plugin, "version"], 10) for plugin in ("compose", "buildx"))
    )
    if not complete:
        if system == "debian" and version == "12":
            _add_trixie(say)
            wanted = [f"{name}/trixie" for name in wanted]
        packages = [*wanted, "containerd", "iptables", "debootstrap", "ca-certificates"]
        say(f"installing {', '.join(packages)}")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        processes.run(["apt-get", "update", "-q"], "reading the package lists", env=quiet)
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        processes.run(command, "installing Docker", env=quiet)
    if not engine_is_there():
        _start_engine(say, data_root)


def _add_trixie(say: Callable[[str], None]) -> None:
    """Debian 12's own Docker is too old; the next release's is taken, and nothing else from there."""
    mirror = debian_mirror()
    if not mirror:
        raise EngineError("the apt sources name no Debian archive", "add one, then try again")
    say(f"adding Debian's trixie archive at low priority: {SOURCES}, {PREFERENCES}")
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    SOURCES.write_text(f"Types: deb\nURIs: {mirror[0]}\nSuites: trixie\nComponents: main\nSigned-By: {keyring}\n")
    PREFERENCES.write_text(PREFERENCES_TEXT)


def _start_engine(say: Callable[[str], None], data_root: str) -> None:
    runs: Callable[[], bool] | None = None  # systemd looks after its own
    said_before = ENGINE_LOG.stat().st_size if ENGINE_LOG.exists() else 0
    if Path("/run/systemd/system").is_dir() and not data_root:
        say("starting the docker service")
        processes.run(["systemctl", "enable", "--now", "docker"], "starting Docker")
    else:
        command = ["dockerd", *(["--data-root", data_root] if data_root else [])]
        say(f"starting {' '.join(command)} in the background (log: {ENGINE_LOG}); it keeps running")
        runs = processes.start(command, ENGINE_LOG)
    for _ in range(300):
        if engine_is_there() and processes.output(["docker", "info"], 10):
            return
        if runs and not runs():
            break
        time.sleep(0.2)
    said = ENGINE_LOG.read_bytes()[said_before:].decode(errors="replace") if ENGINE_LOG.exists() else ""
    raise EngineError("the Docker engine did not start\n" + "\n".join(said.splitlines()[-10:]), f"see {ENGINE_LOG}")


def _system() -> tuple[str, str]:
    """(`debian`, `12`) and the like; empty where unknown."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "", ""
    return release.get("ID", ""), release.get("VERSION_ID", "")
