"""A Docker engine of a test's own, in a network of its own with no way out, to be filled up or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

OUR_OWN_NETWORK = "import fcntl,socket,struct; s=socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 1))"


class PrivateEngine:
    """`dockerd` beside the computer's own. Its sockets are files, its published ports are in its own network."""

    def __init__(self, folder: Path, data_root: Path | None = None) -> None:
        self.folder = folder
        self.data_root = data_root or folder / "data"
        self.address = f"unix://{folder}/docker.sock"
        self.log = folder / "dockerd.log"
        # Whoever enters the network before it is there gets the computer's own: so wait for its word.
        hold = f"{OUR_OWN_NETWORK}; import signal; print('here', flush=True); signal.pause()"
        self.network = subprocess.Popen(["unshare", "--net", sys.executable, "-c", hold], stdout=subprocess.PIPE)
        assert self.network.stdout
        with self.network.stdout as said:
            assert said.readline() == b"here\n"
        self.start()

    def start(self) -> None:
        """Starts the engine, or starts it again after it was killed."""
        (self.folder / "docker.pid").unlink(missing_ok=True)
        paths = ["--data-root", self.data_root, "--exec-root", self.folder / "exec"]
        paths += ["--pidfile", self.folder / "docker.pid", "--host", self.address]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.inside(["dockerd", *map(str, paths)]), stdout=log, stderr=log)
        for _ in range(300):
            if self.docker("info", check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-2000:])

    def inside(self, command: list[str]) -> list[str]:
        """The command as one that runs in the engine's network."""
        return ["nsenter", "--net", "--target", str(self.network.pid), "--", *command]

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["docker", "--host", self.address, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def copy_image(self, name: str) -> None:
        """Takes an image over from the computer's own engine."""
        with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saving:
            subprocess.run(["docker", "--host", self.address, "load", "-q"], stdin=saving.stdout, check=True)
        assert saving.returncode == 0

    def sandbox(self, *arguments: str, home: Path, cwd: Path) -> subprocess.Popen[str]:
        """Starts `sandbox ARGUMENTS` against this engine, in a process group of its own, as a terminal would."""
        command = self.inside([sys.executable, "-m", "sandbox", *arguments])
        environ = {**os.environ, "DOCKER_HOST": self.address, "SANDBOX_HOME": str(home)}
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def kill(self) -> None:
        """The engine dies at once; containers may live on."""
        os.kill(int((self.folder / "docker.pid").read_text()), signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Removes its containers, then ends everything."""
        if ids := self.docker("ps", "-aq", check=False).stdout.split():
            self.docker("rm", "-f", *ids, check=False)
        if self.process.poll() is None:
            os.kill(int((self.folder / "docker.pid").read_text()), signal.SIGTERM)
            self.process.wait(30)
        self.network.kill()
        self.network.wait()
        self._unmount()

    def _unmount(self) -> None:
        """An engine that was killed leaves mounts, which would keep pytest from removing its old folders."""
        points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for point in reversed([point for point in points if point.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", "--lazy", point], check=True)
