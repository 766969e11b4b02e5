#!/bin/bash
# Starts Kibana with its service token, and once it listens imports our data views, searches, charts and dashboards, and
# the examples of alerts on logs. Importing again overwrites our objects; rules that are there stay as they are.
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
    for rule in /usr/share/kibana/sandbox/rules/*.json; do
        import_rule "$rule" || echo "the rule $(basename "$rule") was not taken" >&2
    done
    touch /tmp/imported
}

import_rule() {
    local status
    status=$(curl --silent --output /tmp/answer --write-out '%{http_code}' --max-time 60 --user "elastic:$ELASTIC_PASSWORD" \
        --header 'kbn-xsrf: sandbox' --header 'Content-Type: application/json' --data-binary "@$1" \
        "http://127.0.0.1:5601/api/alerting/rule/$(basename "$1" .json)")
    test "$status" = 200 || test "$status" = 409 || { cat /tmp/answer >&2; return 1; }
}

import_objects &
unset ELASTIC_PASSWORD
exec /bin/tini -- /usr/local/bin/kibana-docker
