curl -sf -X PUT -H 'Content-Type: application/json' -d '{"rate": 5}' "$TRAFFIC_URL/rate" >/dev/null
if [ "$(docker compose --project-directory "$FOLDER" ps -q storefront | wc -l)" -gt 1 ]; then
  sandbox scale storefront=1
fi
