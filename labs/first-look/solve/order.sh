curl -sf -H 'Content-Type: application/json' -d '{"product": "kite", "quantity": 1}' "$STOREFRONT_URL/api/orders" |
  sed 's/.*"id": *"\([0-9a-f]*\)".*/\1/' >order.txt
