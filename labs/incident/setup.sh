sandbox exec storefront python3 -m storefront --error-rate 0.5
curl -sf -X POST "$TRAFFIC_URL/stop" >/dev/null
cd "$FOLDER" && docker compose stop alertmanager
