cat >"$FOLDER/contributions/rules/lesson.yml" <<'RULE'
groups:
  - name: lesson
    rules:
      - alert: ShopSlow
        expr: >-
          histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="storefront"}[15s]))) > 0.2
        for: 5s
        labels: {severity: warning}
        annotations:
          summary: One request in twenty takes longer than {{ $value | humanizeDuration }}
          runbook: Look at the slowest route on the Storefront dashboard.
RULE
(cd "$FOLDER" && docker compose kill --signal HUP prometheus)
