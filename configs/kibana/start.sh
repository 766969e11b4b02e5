#!/bin/bash
# Starts Kibana with its service token, and imports our data views, searches and dashboards once it listens.
set -euo pipefail
until test -s /run/tokens/kibana-token; do sleep 1; done
ELASTICSEARCH_SERVICEACCOUNTTOKEN=$(cat /run/tokens/kibana-token)
export ELASTICSEARCH_SERVICEACCOUNTTOKEN

import_objects() {
    until curl --silent --fail --output /dev/null --max-time 60 --user "elastic:$ELASTIC_PASSWORD" \
        --header 'kbn-xsrf: sandbox' --form file=@/usr/share/kibana/sandbox/objects.ndjson \
        'http://127.0.0.1:5601/api/saved_objects/_import?overwrite=true'; do
        sleep 1
    done
    touch /tmp/imported
}

import_objects &
unset ELASTIC_PASSWORD
exec /bin/tini -- /usr/local/bin/kibana-docker
