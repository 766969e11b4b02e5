"""Talks to a Jenkins-style server, ours or a real one, by the remote API."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import requests

from sandbox.errors import SandboxError

SECONDS = 30
POLL = 0.2
TREE = "jobs[_class,fullName,name,url,color,lastBuild[number,timestamp,duration,building,result]"


class Client:
    """One server and one user. Every method raises SandboxError when the server refuses or cannot be reached.

    `hosting` is where repositories are hosted, if not by the server itself.
    """

    def __init__(self, url: str, user: str, password: str, hosting: str = "") -> None:
        self.url = url.rstrip("/") + "/"
        self.hosting = (hosting or url).rstrip("/") + "/"
        self.user, self.password = user, password
        self._session = requests.Session()
        self._session.auth = (user, password)
        self._crumb: dict[str, str] | None = None

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, also those in folders: {fullName, color, lastBuild or None}."""
        tree = TREE + "," + TREE + "," + TREE + "]]]"
        found: list[dict[str, Any]] = []

        def collect(jobs: list[dict[str, Any]]) -> None:
            for job in jobs:
                if "jobs" in job:
                    collect(job["jobs"])
                else:
                    found.append(job)

        collect(self.json(f"api/json?tree={tree}")["jobs"])
        return found

    def has_job(self, name: str) -> bool:
        return self._send("GET", f"{job_path(name)}api/json?tree=name", missing_ok=True) is not None

    def job(self, name: str) -> dict[str, Any]:
        return self.json(f"{job_path(name)}api/json")

    def build_info(self, name: str, number: str) -> dict[str, Any]:
        """`number` may also be lastBuild and the like."""
        return self.json(f"{job_path(name)}{number}/api/json")

    def find_build(self, name: str, number: str) -> dict[str, Any] | None:
        """Like `build_info`; None if there is no such build."""
        answer = self._send("GET", f"{job_path(name)}{number}/api/json", missing_ok=True)
        found: dict[str, Any] | None = answer.json() if answer is not None else None
        return found

    def start(self, name: str, parameters: Mapping[str, str]) -> int:
        """Queues a build; its queue item."""
        kind = "buildWithParameters" if parameters else "build"
        answer = self.post(f"{job_path(name)}{kind}", data=dict(parameters))
        return int(answer.headers["Location"].rstrip("/").rpartition("/")[2])

    def number_of(self, queue_item: int) -> int:
        """Waits until a queued build has begun; its number."""
        while True:
            item = self.json(f"queue/item/{queue_item}/api/json")
            if item.get("executable"):
                return int(item["executable"]["number"])
            if item.get("cancelled"):
                raise SandboxError("the build was cancelled in the queue")
            time.sleep(POLL)

    def log(self, name: str, number: str, follow: bool) -> Iterator[bytes]:
        """The log so far; with `follow` also what comes, to the end of the build."""
        start = 0
        while True:
            answer = self._get(f"{job_path(name)}{number}/logText/progressiveText?start={start}")
            end = int(answer.headers.get("X-Text-Size", start))
            yield answer.content
            more = "X-More-Data" in answer.headers
            if not more or (not follow and end == start):
                return
            if end == start:
                time.sleep(POLL)
            start = end

    def result(self, name: str, number: int) -> str:
        """Waits for the end of a build."""
        while True:
            info = self.json(f"{job_path(name)}{number}/api/json?tree=building,result")
            if not info["building"]:
                return str(info["result"])
            time.sleep(POLL)

    def stop(self, name: str, number: str) -> None:
        self.post(f"{job_path(name)}{number}/stop")

    def artifacts(self, name: str, number: str) -> list[str]:
        info = self.json(f"{job_path(name)}{number}/api/json?tree=artifacts[relativePath]")
        return [str(each["relativePath"]) for each in info["artifacts"]]

    def download(self, name: str, number: str, artifact: str, folder: Path) -> Path:
        """Saves an artifact below a folder."""
        target = (folder / artifact).resolve()
        if folder.resolve() not in target.parents:
            raise SandboxError(f"the server names an artifact outside of its folder: {artifact}")
        target.parent.mkdir(parents=True, exist_ok=True)
        answer = self._get(f"{job_path(name)}{number}/artifact/{quote(artifact)}", stream=True)
        with answer, target.open("wb") as file:
            for piece in answer.iter_content(1024 * 1024):
                file.write(piece)
        return target

    def create_job(self, name: str, xml: str) -> None:
        folder, _, short = name.rpartition("/")
        path = f"{job_path(folder) if folder else ''}createItem?name={quote(short, safe='')}"
        self.post(path, data=xml.encode(), headers={"Content-Type": "text/xml; charset=utf-8"})

    def create_repository(self, name: str) -> str:
        """An empty repository hosted by our server, or the one that is there; its address."""
        answer = self._send("POST", f"{self.hosting}git/{name}.git", missing_ok=True, headers=self._crumbs())
        if answer is None:
            raise SandboxError(
                f"{self.hosting} hosts no repositories", "`sandbox ci new NAME ADDRESS` takes a repository's address"
            )
        return str(answer.json()["url"])

    def hosts(self, name: str) -> bool:
        """Whether our server has a repository of this name."""
        return self._send("GET", f"{self.hosting}git/{quote(name, safe='')}.git/HEAD", missing_ok=True) is not None

    def git_environment(self) -> dict[str, str]:
        """Makes git log in at this server; the password is in no command line."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.hosting}.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
            "GIT_TERMINAL_PROMPT": "0",
        }

    def json(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._get(path).json()
        return found

    def post(self, path: str, **more: Any) -> requests.Response:
        headers = {**self._crumbs(), **more.pop("headers", {})}
        answer = self._send("POST", path, headers=headers, allow_redirects=False, **more)
        assert answer is not None
        return answer

    def _crumbs(self) -> dict[str, str]:
        if self._crumb is None:
            crumb = self.json("crumbIssuer/api/json")
            self._crumb = {crumb["crumbRequestField"]: crumb["crumb"]}
        return self._crumb

    def _get(self, path: str, **more: Any) -> requests.Response:
        answer = self._send("GET", path, **more)
        assert answer is not None
        return answer

    def _send(self, method: str, path: str, missing_ok: bool = False, **more: Any) -> requests.Response | None:
        try:
            answer = self._session.request(method, urljoin(self.url, path), timeout=SECONDS, **more)
        except requests.Timeout:
            raise SandboxError(f"the CI server at {self.url} took longer than {SECONDS} s", "sandbox status") from None
        except requests.RequestException:
            raise SandboxError(f"the CI server does not answer at {self.url}", "sandbox status") from None
        if answer.status_code == 404 and missing_ok:
            return None
        if answer.status_code >= 400:
            text = answer.text.strip()[:300] if "text/plain" in answer.headers.get("Content-Type", "") else ""
            reason = text or answer.headers.get("X-Error") or answer.reason  # the header holds ASCII only
            raise SandboxError(f"{reason} ({answer.status_code})")
        return answer


def job_path(name: str) -> str:
    """`job/team/job/web/` for "team/web"."""
    return "".join(f"job/{quote(part, safe='')}/" for part in name.strip("/").split("/"))
