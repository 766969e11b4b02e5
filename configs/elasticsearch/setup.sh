#!/bin/bash
# Passwords, roles, templates and Kibana's token. May be run again at any time.
set -euo pipefail
here=/usr/share/elasticsearch/sandbox
token=/usr/share/elasticsearch/logs/kibana-token

ask() { # METHOD PATH [BODY or @FILE]
    curl --silent --show-error --fail-with-body --retry 20 --retry-connrefused --retry-delay 1 --max-time 30 \
        --user "sandbox-setup:$ELASTIC_PASSWORD" --header 'Content-Type: application/json' \
        --request "$1" "http://elasticsearch:9200$2" ${3:+--data-binary "$3"} --output /tmp/answer \
        || { cat /tmp/answer >&2; exit 1; }
}

ask GET '/_cluster/health?wait_for_status=yellow&timeout=60s'
ask POST /_security/user/elastic/_password "{\"password\":\"$ELASTIC_PASSWORD\"}"
ask PUT /_security/role/logstash_writer @$here/role-logstash.json
ask PUT /_security/role/exporter @$here/role-exporter.json
ask PUT /_security/role/reader @$here/role-reader.json
# When data streams begin a new index: for a laptop sooner than after 50 GB.
ask PUT /_cluster/settings @$here/cluster-settings.json
ask PUT /_ingest/pipeline/sandbox-logs @$here/ingest-pipeline.json
ask PUT /_component_template/sandbox-lifecycle @$here/component-lifecycle.json
ask PUT /_index_template/logs-sandbox @$here/index-template.json

# Last, as Logstash waits for its user: what it stores finds its template.
ask PUT /_security/user/logstash "{\"password\":\"$LOGSTASH_PASSWORD\",\"roles\":[\"logstash_writer\"]}"
ask PUT /_security/user/exporter "{\"password\":\"$EXPORTER_PASSWORD\",\"roles\":[\"exporter\"]}"
ask PUT /_security/user/reader "{\"password\":\"$READER_PASSWORD\",\"roles\":[\"reader\"]}"

# A token that works stays: a running Kibana uses it.
if ! curl --silent --fail --output /dev/null --header "Authorization: Bearer $(cat $token 2>/dev/null || true)" \
    http://elasticsearch:9200/_security/_authenticate; then
    curl --silent --output /dev/null --user "sandbox-setup:$ELASTIC_PASSWORD" --request DELETE \
        http://elasticsearch:9200/_security/service/elastic/kibana/credential/token/sandbox
    ask POST /_security/service/elastic/kibana/credential/token/sandbox
    sed -E 's/.*"value":"([^"]+)".*/\1/' /tmp/answer >$token
    chmod 640 $token
fi
echo "set up"
