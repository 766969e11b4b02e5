"""Runs the server. Settings come from the environment: LOGSTORE_PASSWORD, _FOLDER, _DISK (bytes), _DAYS, _PORT."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

import waitress

from logstore.api import Api
from logstore.logs import Ecs
from logstore.server import LARGEST_BODY, Server
from logstore.store import DAY, Limits, Store

log = logging.getLogger("logstore")


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    logging.getLogger().handlers[0].setFormatter(Ecs())
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    password = os.environ.get("LOGSTORE_PASSWORD", "")
    if not password:
        sys.exit("LOGSTORE_PASSWORD must be set")
    folder = Path(os.environ.get("LOGSTORE_FOLDER", "/data"))
    limits = Limits(
        disk=int(os.environ.get("LOGSTORE_DISK", Limits.disk)),
        age=int(float(os.environ.get("LOGSTORE_DAYS", "7")) * DAY),
    )
    store = Store(folder, limits)
    # Large bodies are kept in files, which must not be in memory again.
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    tempfile.tempdir = str(spool)
    signal.signal(signal.SIGTERM, _stop)
    ended = threading.Event()
    maintenance = threading.Thread(target=store.run_maintenance, args=(ended,))
    maintenance.start()
    port = int(os.environ.get("LOGSTORE_PORT", "9200"))
    log.info("ready on port %s", port)
    try:
        waitress.serve(
            Server(Api(store), password, os.environ.get("LOGSTORE_READER_PASSWORD", "")),
            listen=f"*:{port}",
            threads=6,
            connection_limit=200,
            channel_timeout=60,
            max_request_body_size=LARGEST_BODY,
            inbuf_overflow=1024**2,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident="logstore",
            _quiet=True,
        )
    finally:
        ended.set()
        maintenance.join()
        store.close()
        log.info("stopped")


def _stop(signal: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
