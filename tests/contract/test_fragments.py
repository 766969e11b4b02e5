"""Every fragment keeps the catalogue's rules."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from sandbox import catalogue, variables
from sandbox.catalogue import Catalogue
from sandbox.errors import UsageError
from sandbox.images import find_recipe, official
from sandbox.render import render
from sandbox.resources import compose_folder, configs_folder
from sandbox.workspace import Workspace

CATALOGUE: Catalogue = catalogue.read(compose_folder(), configs_folder())
# No package registry has these: where their image cannot be pulled, they are left out.
WITHOUT_RECIPE = {"elasticsearch", "filebeat", "grafana", "kibana", "logstash"}
# These are in no profile: they are chosen by name.
OPT_IN = {"docker-proxy", "jenkins"}
# Who guards the Docker socket must be its owner, root, but has no network, no capabilities and no writable file.
SOCKET_GUARDS = {"console-socket", "container-exporter-socket", "docker-proxy", "shipper-socket"}
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
    assert bool(service.profiles) != (service.name in OPT_IN)
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


def test_jenkins_is_ci_by_another_program() -> None:
    """The same jobs, repositories, dashboard, alerts and address; Prometheus and the console see no difference."""
    rendered = {}
    for name in ("ci", "jenkins"):
        stack = catalogue.choose(CATALOGUE, [name], "", ())
        values = {key: variable.default or "secret" for key, variable in stack.variables.items()}
        files = render("contract", Path("/none"), stack, values).files
        rendered[name] = {path: data for path, data in files.items() if path.startswith("contributions/")}
    assert rendered["jenkins"] == rendered["ci"]
    assert "contributions/seeds/ci/jobs/hello.yml" in rendered["ci"]
    ours, theirs = (yaml.safe_load(CATALOGUE.services[name].text)["services"][name] for name in ("ci", "jenkins"))
    assert theirs["ports"] == ours["ports"]
    assert theirs["networks"]["default"]["aliases"] == ["ci"]
    with pytest.raises(UsageError, match="ci and jenkins both provide ci"):
        catalogue.choose(CATALOGUE, ("ci", "jenkins"), "auto", ())


def test_jenkins_is_set_up_with_what_it_is_given() -> None:
    recipe = compose_folder() / "images" / "jenkins"
    lines = [line for line in (recipe / "plugins.txt").read_text().splitlines() if not line.startswith("#")]
    plugins = dict(line.split(":") for line in lines)
    assert len(plugins) == len(lines), "a plugin is named twice"
    assert all(re.fullmatch(r"\d[\w.-]*", version) for version in plugins.values()), "a version is not pinned"
    assert {"configuration-as-code", "prometheus", "git", "workflow-job", "pipeline-model-definition"} <= set(plugins)
    assert re.match(r"jenkins/jenkins:2\.\d+\.\d+-lts-jdk21$", official(recipe))
    text = (configs_folder() / "jenkins" / "casc.yml").read_text()
    given = yaml.safe_load(CATALOGUE.services["jenkins"].text)["services"]["jenkins"]["environment"]
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(given)
    casc = yaml.safe_load(text)
    assert set(casc) == {"jenkins", "unclassified"}
    assert casc["unclassified"]["prometheusConfiguration"]["defaultNamespace"] == "default"


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
