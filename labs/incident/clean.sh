sandbox fault clear
curl -sf -d user_count=10 -d spawn_rate=10 "$TRAFFIC_URL/swarm" >/dev/null
cd "$FOLDER" && docker compose start alertmanager
