"""Runs the server's builds in a Groovy worker, and starts another when one is lost."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sandbox.ci.groovy.worker import GroovyWorker, WorkerLost
from sandbox.ci.model import Place, Result
from sandbox.ci.pipeline.lint import check
from sandbox.ci.pipeline.local import LocalPlace
from sandbox.ci.pipeline.run import Run

HEAP_MB = 96
WARM_UP = "pipeline { agent any\n stages { stage('warm up') { steps { sh 'true' } } } }"
logger = logging.getLogger("sandbox.ci")


class GroovyExecutor:
    """One worker for all builds. A lost one takes along only the builds that ran in it."""

    def __init__(self, heap_mb: int = HEAP_MB) -> None:
        self._heap_mb = heap_mb
        self._lock = threading.Lock()
        self._worker: GroovyWorker | None = None
        self._closed = False
        self._executions: WeakSet[GroovyExecution] = WeakSet()
        # Java takes longer to start than we do; who comes before it is up waits for it here.
        threading.Thread(target=self._warm_up, name="groovy start", daemon=True).start()

    def begin(self, text: str, place: Place) -> GroovyExecution:
        try:
            return self._begin(text, place)
        except WorkerLost:  # just now; another worker is started
            return self._begin(text, place)

    def lint(self, text: str) -> Sequence[Mapping[str, Any]] | None:
        pipelines, problems = check(self._live(), text)
        if not pipelines and not problems:
            return None
        return [{"line": p.place.line, "column": p.place.column, "message": p.message} for p in problems]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._worker:
                self._worker.close()

    def _begin(self, text: str, place: Place) -> GroovyExecution:
        execution = GroovyExecution(Run(self._live(), text, place))
        with self._lock:
            self._executions.add(execution)
        return execution

    def _mourn(self, worker: GroovyWorker) -> None:
        """When a worker is lost, builds that wait for something else are told too."""
        worker.wait()
        with self._lock:
            if self._closed:
                return
            lost = [each for each in self._executions if each.worker is worker]
        for execution in lost:
            execution.stop(f"Aborted: {worker.lost}", False)

    def _live(self) -> GroovyWorker:
        with self._lock:
            if self._closed:
                raise WorkerLost("the server is shutting down")
            if self._worker is None or self._worker.lost is not None:
                if self._worker is not None:
                    logger.warning("%s; starting another", self._worker.lost)
                self._worker = GroovyWorker(self._heap_mb)
                threading.Thread(target=self._mourn, args=(self._worker,), name="groovy end", daemon=True).start()
            return self._worker

    def _warm_up(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="warm-up-", ignore_cleanup_errors=True) as folder:
                place = LocalPlace(Path(folder), lambda data: None, job="warm-up")
                Run(self._live(), WARM_UP, place).execute()
        except Exception:
            logger.exception("Groovy does not start; builds will say so too")


class GroovyExecution:
    def __init__(self, run: Run) -> None:
        self._run = run
        self.worker = run.worker

    def run(self) -> Result:
        return self._run.execute(framed=False)

    def stop(self, reason: str, force: bool) -> None:
        with contextlib.suppress(WorkerLost):  # then it ends anyhow
            self._run.stop(reason)
            if force:  # the second time nothing is caught any more
                self._run.stop(reason)
