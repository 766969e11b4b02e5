cat >"$FOLDER/contributions/rules/lesson.yml" <<'RULE'
groups:
  - name: lesson
    rules:
      - alert: ShopSlow
        expr: service:http_request_duration_seconds:p95_rate1m > 0.2
        for: 5s
        labels: {severity: warning}
        annotations:
          summary: One request in twenty takes longer than {{ $value | humanizeDuration }}
          runbook: Look at the slowest route on the Storefront dashboard.
RULE
(cd "$FOLDER" && docker compose kill --signal HUP prometheus)
