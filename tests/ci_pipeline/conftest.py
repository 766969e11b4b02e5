"""One warm Groovy worker for all tests here; without Java and Groovy they are skipped, or fail when all must run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.ci.groovy import java
from sandbox.ci.groovy.worker import GroovyWorker
from sandbox.ci.pipeline.local import LocalPlace, read_credentials

HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def groovy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiles the worker once for this session."""
    if not java.is_there():
        if request.config.getoption("--require-docker"):
            pytest.fail("Java or Groovy is not installed: apt-get install groovy default-jre-headless")
        pytest.skip("Java or Groovy is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CI_CACHE", str(tmp_path_factory.mktemp("groovy")))
        yield


@pytest.fixture(scope="session")
def shared_worker(groovy: None) -> Iterator[GroovyWorker]:
    worker = GroovyWorker()
    yield worker
    worker.close()


@pytest.fixture
def worker(shared_worker: GroovyWorker) -> GroovyWorker:
    return shared_worker


class Building(LocalPlace):
    """A place that keeps its log."""

    def __init__(self, folder: Path) -> None:
        self.kept = bytearray()
        super().__init__(
            folder,
            self.kept.extend,
            parameters={"GIVEN": "yes"},
            credentials=read_credentials(HERE / "credentials.yml"),
            libraries={"helper": HERE / "library"},
        )

    @property
    def log(self) -> str:
        return self.kept.decode("utf-8", "replace")


@pytest.fixture
def place(tmp_path: Path) -> Building:
    return Building(tmp_path / "place")
