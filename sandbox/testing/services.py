"""What a test asks of the services: each class is a small client of one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import requests

from sandbox.errors import SandboxError
from sandbox.testing.running import RunningSandbox

if TYPE_CHECKING:
    import boto3

SECONDS = 10.0
EVERY = 0.2
Got = TypeVar("Got")


def wait(what: str, ask: Callable[[], Got | None], last: Callable[[], object], timeout: float) -> Got:
    """Asks again and again until there is an answer. Raises AssertionError that shows what there was at `last`."""
    deadline = time.monotonic() + timeout
    while (got := ask()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}; there is: {last()}")
        time.sleep(EVERY)
    return got


class Web:
    """Requests to one endpoint of a service, with its login. `url` has no path and no slash at its end."""

    def __init__(self, sandbox: RunningSandbox, service: str, endpoint: str = "") -> None:
        self.service = service
        self.url = sandbox.base_url(service, endpoint)
        self.http = requests.Session()
        self.http.trust_env = False  # loopback never goes through a proxy
        self.http.auth = sandbox.login(service)

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET of a path such as `/api/products`; options are those of requests."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        """POST to a path; options are those of requests."""
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request; it may take ten seconds unless `timeout` says otherwise."""
        return self.http.request(method, self.url + path, **{"timeout": SECONDS, **options})

    def close(self) -> None:
        """Ends its connections."""
        self.http.close()

    def _json(self, method: str, path: str, **options: Any) -> Any:
        answer = self.request(method, path, **options)
        if answer.status_code >= 400:
            raise SandboxError(f"{self.service} refused {method} {path}: HTTP {answer.status_code} {answer.text[:500]}")
        return answer.json()


class Gateway(Web):
    """The load balancer: requests as the shop's customers make them."""

    def __init__(self, sandbox: RunningSandbox, service: str, endpoint: str = "") -> None:
        super().__init__(sandbox, service, endpoint)
        # When a server fails a later request of a connection, HAProxy hangs up, and trusts that browsers ask again.
        self.http.headers["Connection"] = "close"


@dataclass(frozen=True)
class Sample:
    """One series of a query's answer."""

    labels: Mapping[str, str]
    value: float


class Prometheus(Web):
    """Metrics."""

    def query(self, expr: str) -> list[Sample]:
        """What a PromQL expression is now, one sample a series. Raises SandboxError if it is not PromQL."""
        data = self._json("GET", "/api/v1/query", params={"query": expr})["data"]
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(item["metric"], float(item["value"][1])) for item in data["result"]]

    def wait_for(self, expr: str, condition: Callable[[float], bool] | None = None, timeout: float = 30) -> float:
        """The first value of the expression that meets the condition (without one: any value)."""

        def ask() -> float | None:
            values = (sample.value for sample in self.query(expr))
            return next((value for value in values if condition is None or condition(value)), None)

        return wait(expr, ask, lambda: self.query(expr) or "no series", timeout)


@dataclass(frozen=True)
class Alert:
    """An alert that fires."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: str


class Alerts(Web):
    """Alerts, as Alertmanager has them."""

    def active(self) -> list[Alert]:
        """What fires now."""
        found = self._json("GET", "/api/v2/alerts", params={"active": "true", "silenced": "true", "inhibited": "true"})
        return [Alert(a["labels"]["alertname"], a["labels"], a["annotations"], a["startsAt"]) for a in found]

    def wait_for(self, name: str, timeout: float = 90, **labels: str) -> Alert:
        """The alert, once it fires, with these labels."""

        def ask() -> Alert | None:
            return next((a for a in self.active() if a.name == name and labels.items() <= a.labels.items()), None)

        return wait(f"alert {name}", ask, self._names, timeout)

    def wait_until_resolved(self, name: str, timeout: float = 120) -> None:
        """Until no alert of that name fires."""
        wait(f"the end of alert {name}", lambda: None if name in self._names() else True, self._names, timeout)

    def _names(self) -> list[str]:
        return [alert.name for alert in self.active()] or []


class Logstore(Web):
    """The log store, by the part of Elasticsearch's API that the light one and the original share."""

    def search(self, query: str, size: int = 100) -> list[dict[str, Any]]:
        """The newest documents that a query such as `level:error AND order` finds, newest first."""
        body = {
            "query": {"query_string": {"query": query}},
            "size": size,
            "sort": [{"@timestamp": {"order": "desc", "unmapped_type": "date"}}],
        }
        answer = self._json("POST", "/logs-*/_search", json=body, params={"ignore_unavailable": "true"})
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def wait_for(self, query: str, timeout: float = 30) -> dict[str, Any]:
        """The newest document that the query finds, once there is one."""

        def ask() -> dict[str, Any] | None:
            return next(iter(self.search(query, 1)), None)

        return wait(f"a log line {query}", ask, lambda: "none", timeout)


class Grafana(Web):
    """Dashboards."""

    def dashboards(self) -> dict[str, str]:
        """Uid -> title."""
        return {item["uid"]: item["title"] for item in self._json("GET", "/api/search?type=dash-db")}

    def problem_of(self, datasource: str) -> str:
        """Why a data source (by uid) does not work; empty if it does."""
        answer = self.get(f"/api/datasources/uid/{quote(datasource)}/health")
        return "" if answer.ok else str(answer.json().get("message", answer.text))


@dataclass(frozen=True)
class Build:
    """A finished build. `result` is Jenkins' word: SUCCESS, UNSTABLE, FAILURE, ABORTED or NOT_BUILT."""

    job: str
    number: int
    result: str
    log: str
    url: str


class Ci(Web):
    """Builds, by Jenkins' remote API."""

    def define(self, job: str, jenkinsfile: str) -> None:
        """Makes a job (not in a folder) of the text of a Jenkinsfile, or gives the job that is there this text."""
        from sandbox.ci.server.configuration import Definition, write
        from sandbox.ci.store import PIPELINE

        xml = write(Definition(PIPELINE, script=jenkinsfile)).encode()
        there = self.get(f"/job/{quote(job)}/api/json").ok
        path = f"/job/{quote(job)}/config.xml" if there else f"/createItem?name={quote(job)}"
        answer = self.post(path, data=xml, headers={**self._crumb(), "Content-Type": "text/xml; charset=utf-8"})
        if not answer.ok:
            raise SandboxError(f"{self.service} does not take {job}: HTTP {answer.status_code} {answer.text[:500]}")

    def build(self, job: str, params: Mapping[str, object] | None = None, timeout: float = 120) -> Build:
        """Builds a job (`folder/name`), with parameters if given, and waits for its end."""
        path = "".join(f"/job/{quote(part)}" for part in job.split("/"))
        how = "buildWithParameters" if params else "build"
        answer = self.post(f"{path}/{how}", data=dict(params or {}), headers=self._crumb(), allow_redirects=False)
        if answer.status_code not in (201, 302):
            raise SandboxError(f"{self.service} does not build {job}: HTTP {answer.status_code} {answer.text[:500]}")
        queued = "/" + answer.headers["Location"].removeprefix("http://").removeprefix("https://").partition("/")[2]
        began = time.monotonic()
        number = wait(f"{job} to leave the queue", lambda: self._number(queued), lambda: self._why(queued), timeout)
        here = f"{path}/{number}"

        def ended() -> str | None:
            build = self._json("GET", f"{here}/api/json")
            return None if build["building"] else str(build["result"])

        def last_lines() -> str:
            return "\n".join(self.get(f"{here}/consoleText").text.splitlines()[-15:])

        result = wait(f"the end of {job} #{number}", ended, last_lines, timeout - (time.monotonic() - began))
        return Build(job, number, result, self.get(f"{here}/consoleText").text, f"{self.url}{here}/")

    def _crumb(self) -> dict[str, str]:
        """The header against forged requests; a server without crumbs wants none."""
        answer = self.get("/crumbIssuer/api/json")
        return {answer.json()["crumbRequestField"]: answer.json()["crumb"]} if answer.ok else {}

    def _number(self, queued: str) -> int | None:
        item = self._json("GET", f"{queued.rstrip('/')}/api/json")
        if item.get("cancelled"):
            raise AssertionError(f"the build was cancelled while it was queued: {self.url}{queued}")
        return int(item["executable"]["number"]) if item.get("executable") else None

    def _why(self, queued: str) -> str:
        return str(self._json("GET", f"{queued.rstrip('/')}/api/json").get("why"))


class Aws:
    """AWS for one test, in an account of its own: what it makes, no other test sees.

    Bucket names alone are common to all accounts, as they are on AWS.
    """

    def __init__(self, sandbox: RunningSandbox, account: str) -> None:
        """`account` has twelve digits."""
        import boto3

        self.account = account
        self.service = sandbox.provider("aws", "ministack")
        self.endpoint = sandbox.base_url(self.service)
        given = sandbox.env
        self.region = given.get("AWS_DEFAULT_REGION", "us-east-1")
        self.env = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": given.get("AWS_SECRET_ACCESS_KEY", "test"),
            "AWS_DEFAULT_REGION": self.region,
        }
        self.session: boto3.Session = boto3.Session(
            aws_access_key_id=account,
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
            region_name=self.region,
            botocore_session=_botocore_session(),
        )
        self._opened: list[Any] = []

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client, such as `aws.client("s3")`; options are boto3's."""
        return self._open(self.session.client, service, options)

    def resource(self, service: str, **options: Any) -> Any:
        """A boto3 resource, such as `aws.resource("dynamodb")`."""
        return self._open(self.session.resource, service, options)

    def _open(self, make: Callable[..., Any], service: str, options: dict[str, Any]) -> Any:
        from botocore.config import Config

        # Path style needs no names such as bucket.localhost, and proxies have no business on loopback.
        local = Config(s3={"addressing_style": "path"}, proxies={}, connect_timeout=5, retries={"max_attempts": 2})
        config = local.merge(options.pop("config", Config()))
        made = make(service, **{"endpoint_url": self.endpoint, "config": config, **options})
        self._opened.append(getattr(getattr(made, "meta", None), "client", None) or made)
        return made

    def close(self) -> None:
        """Ends its connections."""
        for client in self._opened:
            client.close()

    def empty(self) -> None:
        """Removes what reaches beyond the account: its buckets, whose names others may want, and its functions."""
        s3 = self.resource("s3")
        for bucket in s3.buckets.all():
            bucket.object_versions.delete()
            bucket.objects.delete()
            bucket.delete()
        functions = self.client("lambda")
        for function in functions.list_functions()["Functions"]:
            functions.delete_function(FunctionName=function["FunctionName"])


_loader: list[Any] = []


def _botocore_session() -> Any:
    """A session that shares the descriptions of AWS's services, which take a tenth of a second to read."""
    import botocore.session

    session = botocore.session.Session()
    if not _loader:
        _loader.append(session.get_component("data_loader"))
    session.register_component("data_loader", _loader[0])
    return session
