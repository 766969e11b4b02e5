"""How gunicorn runs the console. It reads this file by itself, from the working directory."""

from gunicorn.workers.base import Worker

bind = "0.0.0.0:8080"
# One process keeps memory low; threads take the waiting for others.
workers = 1
worker_class = "gthread"
threads = 8
# The two processes share what was loaded before they parted.
preload_app = True
keepalive = 75
graceful_timeout = 4
# Queries are given up well before.
timeout = 60
control_socket_disable = True


def post_worker_init(worker: Worker) -> None:
    """Threads do not survive the fork, so the watch begins here."""
    worker.wsgi.extensions["watch"].start()
