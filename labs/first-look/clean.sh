curl -sf -X DELETE "$AWS_ENDPOINT_URL/first-look/hello.txt" >/dev/null || true
curl -sf -X DELETE "$AWS_ENDPOINT_URL/first-look" >/dev/null || true
curl -sf -X PUT -H 'Content-Type: application/json' -d '{"rate": 5}' "$TRAFFIC_URL/rate" >/dev/null
