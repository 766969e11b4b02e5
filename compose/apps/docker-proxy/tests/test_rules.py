from __future__ import annotations

from typing import Any

import pytest
from docker_proxy import rules
from docker_proxy.rules import Limits, Refused

LIMITS = Limits("demo", "demo_ci-data", "/var/lib/ci", "demo_docker-agents", 512 * 1024**2)
WORKSPACE = "/var/lib/ci/workspace/shop"


def asked(**host: Any) -> dict[str, Any]:
    """What Docker's client sends for an agent, as far as it matters; empty fields included."""
    about = {
        "Binds": [f"{WORKSPACE}:{WORKSPACE}:rw", f"{WORKSPACE}@tmp:{WORKSPACE}@tmp:rw"],
        "NetworkMode": "default",
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "", "Config": {}},
        "ConsoleSize": [0, 0],
        "MemorySwappiness": -1,
        "MaskedPaths": None,
        "ReadonlyPaths": None,
        "Privileged": False,
        "CapAdd": None,
        "PortBindings": {},
        **host,
    }
    return {"Image": "debian:13", "User": "1000:1000", "Tty": True, "Cmd": ["cat"], "Volumes": {}, "HostConfig": about}


def test_agent_is_made_anew_within_limits() -> None:
    made = rules.container(asked(), LIMITS)
    host = made.pop("HostConfig")
    assert made == {
        "Image": "debian:13",
        "User": "1000:1000",
        "Tty": True,
        "Cmd": ["cat"],
        "Labels": {"sandbox.project": "demo", "sandbox.service": "docker-proxy", "sandbox.agent": "demo"},
    }
    mounts = [(m["Type"], m["Source"], m["Target"], m["VolumeOptions"]["Subpath"]) for m in host.pop("Mounts")]
    assert mounts == [
        ("volume", "demo_ci-data", WORKSPACE, "workspace/shop"),
        ("volume", "demo_ci-data", f"{WORKSPACE}@tmp", "workspace/shop@tmp"),
    ]
    assert (host["Memory"], host["MemorySwap"], host["NetworkMode"]) == (LIMITS.memory, LIMITS.memory, LIMITS.network)
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"])
    assert not {"Binds", "Privileged", "MaskedPaths"} & set(host)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ({"Privileged": True}, "Privileged"),
        ({"privileged": True}, "privileged"),  # the engine does not look at the case of a name
        ({"Binds": ["/:/host"]}, "mount /:/host"),
        ({"Binds": ["/var/run/docker.sock:/var/run/docker.sock"]}, "mount"),
        ({"Binds": ["/var/lib/ci:/var/lib/ci"]}, "mount"),
        ({"Binds": ["/var/lib/ci/workspace:/var/lib/ci/workspace"]}, "mount"),
        ({"Binds": [f"{WORKSPACE}/../../secrets:{WORKSPACE}/../../secrets"]}, "mount"),
        ({"Binds": [f"{WORKSPACE}:/etc"]}, "mount"),
        ({"Binds": [f"{WORKSPACE}:{WORKSPACE}:rw,shared"]}, "mount"),
        ({"Binds": ["ci-data:/x"]}, "mount"),
        ({"Mounts": [{"Type": "bind", "Source": "/", "Target": "/x"}]}, "Mounts"),
        ({"Mounts": {}, "Tmpfs": {"/x": ""}}, "Tmpfs"),
        ({"VolumesFrom": ["other"]}, "VolumesFrom"),
        ({"NetworkMode": "host"}, "--network"),
        ({"NetworkMode": "container:x"}, "--network"),
        ({"NetworkMode": "demo_default"}, "--network"),
        ({"PidMode": "host"}, "PidMode"),
        ({"IpcMode": "host"}, "IpcMode"),
        ({"UsernsMode": "host"}, "UsernsMode"),
        ({"CapAdd": ["SYS_ADMIN"]}, "CapAdd"),
        ({"Devices": [{}]}, "Devices"),
        ({"SecurityOpt": ["seccomp=unconfined"]}, "SecurityOpt"),
        ({"MaskedPaths": []}, "MaskedPaths"),
        ({"ReadonlyPaths": []}, "ReadonlyPaths"),
        ({"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}, "published"),
        ({"PublishAllPorts": True}, "published"),
        ({"RestartPolicy": {"Name": "always"}}, "RestartPolicy"),
        ({"CgroupParent": "x"}, "CgroupParent"),
        ({"Sysctls": {"x": ""}}, "Sysctls"),
        ({"Memory": LIMITS.memory + 1}, "--memory"),
        ({"Memory": -1}, "--memory"),
        ({"LogConfig": {"Type": "syslog"}}, "LogConfig"),
        ({"Runtime": "other"}, "Runtime"),
        ({"OomKillDisable": True}, "OomKillDisable"),
        ({"SomethingOfNextYear": 1}, "SomethingOfNextYear"),
    ],
)
def test_what_an_agent_must_not_have_is_named(host: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        rules.container(asked(**host), LIMITS)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"User": "root"}, "root"),
        ({"User": "0:1000"}, "root"),
        ({"User": "1000:0"}, "root"),
        ({"User": "00"}, "only a number"),
        ({"User": "toor"}, "only a number"),
        ({"Image": ""}, "of no image"),
        ({"Image": "../x"}, "of no image"),
        ({"Labels": {"sandbox.project": "other"}}, "label"),
        ({"Labels": {"com.docker.compose.project": "other"}}, "label"),
        ({"Volumes": {"/data": {}}}, "Volumes"),
        ({"Healthcheck": {"Test": ["CMD", "x"]}}, "Healthcheck"),
        ({"NetworkingConfig": {"EndpointsConfig": {"demo_default": {}}}}, "--network"),
        ({"Cmd": "cat /etc/passwd"}, "Cmd of another type"),
        ({"hostconfig": {"Privileged": True}}, "hostconfig"),
    ],
)
def test_what_a_container_must_not_say_is_named(body: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        rules.container({**asked(), **body}, LIMITS)


def test_without_a_user_it_is_not_root() -> None:
    assert rules.container({**asked(), "User": ""}, LIMITS)["User"] == "1000:1000"


@pytest.mark.parametrize("body", [{"Privileged": True}, {"User": "root"}, {"privileged": True}])
def test_program_in_an_agent_has_no_more_than_the_agent(body: dict[str, Any]) -> None:
    assert rules.execution({"Cmd": ["id"], "Privileged": False}, LIMITS) == {"Cmd": ["id"]}
    with pytest.raises(Refused):
        rules.execution({"Cmd": ["id"], **body}, LIMITS)


def test_build_gets_an_agents_limits() -> None:
    sent = {
        "t": ["mine"],
        "dockerfile": ["Dockerfile"],
        "networkmode": ["default"],
        "memory": ["0"],
        "ulimits": ["null"],
    }
    made = rules.build({**sent, "labels": ["{}"], "rm": ["1"], "version": ["1"]}, LIMITS)
    assert made["networkmode"] == [LIMITS.network]
    assert made["memory"] == made["memswap"] == [str(LIMITS.memory)]
    assert '"sandbox.agent": "demo"' in made["labels"][0]
    assert made["dockerfile"] == ["Dockerfile"]


@pytest.mark.parametrize(
    "query",
    [
        {"networkmode": ["host"]},
        {"t": []},
        {"t": ["sandbox/ci:0123"]},
        {"t": ["a/../b"]},
        {"remote": ["http://localhost/"]},
        {"version": ["2"]},
        {"session": ["x"]},
        {"securityopt": ['["seccomp=unconfined"]']},
        {"cgroupparent": ["x"]},
        {"extrahosts": ["a:1.2.3.4"]},
        {"labels": ['{"sandbox.project":"x"}']},
        {"outputs": ["[{}]"]},
    ],
)
def test_build_must_not_ask_for_more(query: dict[str, list[str]]) -> None:
    with pytest.raises(Refused):
        rules.build({"t": ["mine"], **query}, LIMITS)


def test_images_are_pulled_and_not_imported() -> None:
    assert rules.pull({"fromImage": ["debian"], "tag": ["13"]})["fromImage"] == ["debian"]
    for query in ({"fromSrc": ["-"]}, {"fromImage": ["x"], "repo": ["sandbox/ci"]}, {"fromImage": ["a b"]}):
        with pytest.raises(Refused):
            rules.pull(query)


@pytest.mark.parametrize(
    "name", ["debian", "debian:13", "a/b/c:1.2_x", "host.example:5000/a/b:1", "a@sha256:" + "0" * 64]
)
def test_names_of_images(name: str) -> None:
    assert rules.image_name(name)
