"""How gunicorn runs the storefront. It reads this file by itself, from the working directory."""

from shop import logs

bind = "0.0.0.0:8000"
# One process keeps memory low and lets metrics live in plain variables; threads take the waiting.
workers = 1
worker_class = "gthread"
threads = 16
# Longer than a gateway keeps idle connections: the server never closes one that is about to be used.
keepalive = 75
# A stop lets requests finish; the container gets a second more than this before it is killed.
graceful_timeout = 4
control_socket_disable = True
logconfig_dict = logs.config("storefront")
