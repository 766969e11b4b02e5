echo 'sum(rate(http_requests_total{job="storefront"}[1m]))' >query.promql
