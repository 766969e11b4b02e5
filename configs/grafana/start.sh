#!/bin/sh
# The password of the environment counts only for a new database: one that is there gets it set again,
# so that an old volume locks nobody out.
set -eu
if [ -s "$GF_PATHS_DATA/grafana.db" ]; then
    printf '%s\n' "$GF_SECURITY_ADMIN_PASSWORD" |
        grafana cli --homepath "$GF_PATHS_HOME" --config "$GF_PATHS_CONFIG" \
            admin reset-admin-password --password-from-stdin ||
        echo "the admin password could not be set: an older one may still count" >&2
fi
exec /run.sh "$@"
