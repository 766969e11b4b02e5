"""`POST /_localstack/sandbox/reset`: every service forgets everything, then the ready scripts run again.

LocalStack has the parts, not the address.
"""

from __future__ import annotations

import shutil
from typing import Any

from localstack.http import Request
from localstack.runtime import hooks
from localstack.runtime.init import Stage, init_script_manager
from localstack.services.internal import get_internal_apis
from localstack.services.plugins import SERVICE_PLUGINS
from localstack.state import AssetDirectory, StateVisitor
from rolo import Resource


class Forget(StateVisitor):
    """Empties each place where a service keeps state."""

    def visit(self, state_container: Any) -> None:
        if isinstance(state_container, AssetDirectory):
            for path in state_container.path.glob("*"):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        elif hasattr(state_container, "reset"):
            state_container.reset()
        else:
            state_container.clear()


class ResetResource:
    def on_post(self, request: Request) -> dict[str, Any]:
        names = SERVICE_PLUGINS.list_loaded_services()
        for name in names:
            service = SERVICE_PLUGINS.get_service(name)
            service.lifecycle_hook.on_before_state_reset()
            service.accept_state_visitor(Forget())
            service.lifecycle_hook.on_after_state_reset()
        scripts = init_script_manager()
        scripts.stage_completed[Stage.READY] = False
        scripts.run_stage(Stage.READY)
        return {"reset": sorted(names)}


@hooks.on_infra_start()
def serve_reset() -> None:
    get_internal_apis().add(Resource("/_localstack/sandbox/reset", ResetResource()))
