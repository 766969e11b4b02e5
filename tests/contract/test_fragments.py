"""Every fragment keeps the catalogue's rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from sandbox import catalogue, variables
from sandbox.catalogue import Catalogue
from sandbox.errors import UsageError
from sandbox.images import find_recipe
from sandbox.render import render
from sandbox.resources import compose_folder, configs_folder
from sandbox.workspace import Workspace

CATALOGUE: Catalogue = catalogue.read(compose_folder(), configs_folder())
# No package registry has these: where their image cannot be pulled, they are left out.
WITHOUT_RECIPE = {"elasticsearch", "filebeat", "grafana", "kibana", "logstash"}
# Who guards the Docker socket must be its owner, root, but has no network, no capabilities and no writable file.
SOCKET_GUARDS = {"shipper-socket"}
# Docker's log files are root's: root without capabilities and with nothing to write to may read them.
LOG_READERS = {"filebeat"}
CONTAINERS = [
    pytest.param(name, spec, id=name)
    for service in CATALOGUE.services.values()
    for name, spec in yaml.safe_load(service.text)["services"].items()
]


@pytest.mark.parametrize(("name", "spec"), CONTAINERS)
def test_container_is_bounded_checked_and_unprivileged(name: str, spec: dict[str, object]) -> None:
    if name in SOCKET_GUARDS:
        assert (spec["network_mode"], spec["read_only"]) == ("none", True)
        assert "ports" not in spec
    elif name in LOG_READERS:
        assert spec["read_only"]
        assert "/var/lib/docker/containers:ro" in str(spec["volumes"])
    else:
        assert not str(spec["user"]).startswith(("0", "root"))
        assert "docker.sock:" not in str(spec.get("volumes"))
    assert spec["cap_drop"] == ["ALL"]
    assert spec["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in spec
    assert variables.size(variables.expand(str(spec["mem_limit"]), {})) > 0
    check = spec["healthcheck"]
    assert isinstance(check, dict)
    assert check["test"]
    assert check["start_interval"] == "500ms"


@pytest.mark.parametrize(("name", "spec"), CONTAINERS)
def test_image_is_pinned_and_ports_are_loopback(name: str, spec: dict[str, object]) -> None:
    image = variables.expand(str(spec["image"]), {})
    assert ":" in image.rpartition("/")[2]
    assert not image.endswith(":latest")
    ports = spec.get("ports", [])
    assert isinstance(ports, list)
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("service", CATALOGUE.services.values(), ids=lambda s: s.name)
def test_service_says_what_it_is_and_how_it_is_had(service: catalogue.Service) -> None:
    assert service.summary.endswith(".")
    assert service.profiles
    assert service.disk > 0
    for name in service.variables:
        if name.endswith("_IMAGE"):
            has_one = name == "ELASTICSEARCH_EXPORTER_IMAGE" or service.name not in WITHOUT_RECIPE
            assert (find_recipe(service, name) is not None) == has_one


@pytest.mark.parametrize("profile", CATALOGUE.profiles)
def test_profile_is_valid_compose(profile: str, tmp_path: Path) -> None:
    if not shutil.which("docker"):
        pytest.skip("no docker command to ask")
    stack = catalogue.choose(CATALOGUE, (), profile, ())
    values = {name: variable.default or "secret" for name, variable in stack.variables.items()}
    workspace = Workspace(tmp_path, "contract")
    with workspace.locked(lambda: None):
        workspace.write(render("contract", workspace.folder, stack, values))
    command = ["docker", "compose", "config", "--quiet"]
    done = subprocess.run(command, cwd=workspace.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CATALOGUE.services)
def test_service_alone_finds_what_it_mounts(name: str, tmp_path: Path) -> None:
    """Docker would make a folder of root's for a mount that is not there."""
    stack = catalogue.choose(CATALOGUE, [name], "", ())
    values = {name: variable.default or "secret" for name, variable in stack.variables.items()}
    workspace = Workspace(tmp_path, "contract")
    with workspace.locked(lambda: None):
        workspace.write(render("contract", workspace.folder, stack, values))
    for mount in (mount for container in stack.containers.values() for mount in container.mounts):
        assert (workspace.folder / mount).exists(), mount


def test_two_services_that_are_aws_cannot_be_chosen_together() -> None:
    with pytest.raises(UsageError, match="localstack and ministack both provide aws"):
        catalogue.choose(CATALOGUE, ("localstack", "ministack"), "auto", ())


def test_each_profile_has_one_aws() -> None:
    providers = {
        profile: [name for name in names if CATALOGUE.services[name].provides == "aws"]
        for profile, names in CATALOGUE.profiles.items()
    }
    assert providers["lite"] == ["ministack"]
    assert providers["aws"] == providers["full"] == ["localstack"]


def test_the_ci_image_has_what_the_shops_pipeline_calls() -> None:
    shop = (compose_folder() / "apps" / "shop" / "requirements.txt").read_text().split()
    ci = (compose_folder() / "images" / "ci" / "requirements-builds.txt").read_text().splitlines()
    assert not set(shop) - set(ci)
