#!/bin/bash
# Starts Elasticsearch with one more superuser, kept in a file of this container. Whatever passwords an old volume
# holds, this user is let in, and the set-up gives all others the passwords of today.
set -euo pipefail
cd /usr/share/elasticsearch
bin/elasticsearch-users useradd sandbox-setup -p "$ELASTIC_PASSWORD" -r superuser \
    || bin/elasticsearch-users passwd sandbox-setup -p "$ELASTIC_PASSWORD"
exec /usr/local/bin/docker-entrypoint.sh eswrapper
