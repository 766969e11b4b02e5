curl -sf -X DELETE "$AWS_ENDPOINT_URL/first-look/hello.txt" >/dev/null || true
curl -sf -X DELETE "$AWS_ENDPOINT_URL/first-look" >/dev/null || true
curl -sf -d user_count=10 -d spawn_rate=10 "$TRAFFIC_URL/swarm" >/dev/null
