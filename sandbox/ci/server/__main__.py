"""`python -m sandbox.ci.server`: the server, set up by environment variables (see server.Settings)."""

from __future__ import annotations

import os
import sys

from sandbox.ci.server.groovy import GroovyExecutor
from sandbox.ci.server.serve import log_as_json, serve
from sandbox.ci.server.server import Settings

if __name__ == "__main__":
    log_as_json()
    try:
        settings = Settings.read(os.environ)
    except ValueError as error:
        sys.exit(f"a setting is wrong: {error}")
    serve(settings, GroovyExecutor(settings.heap_mb))
