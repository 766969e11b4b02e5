curl -sf -d user_count=40 -d spawn_rate=40 "$TRAFFIC_URL/swarm"
