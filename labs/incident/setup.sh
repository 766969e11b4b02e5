sandbox fault inject errors storefront --amount 0.5
curl -sf -X POST "$TRAFFIC_URL/stop" >/dev/null
cd "$FOLDER" && docker compose stop alertmanager
