sandbox exec storefront python3 -m release rollback
sandbox fault clear
for kind in json zip; do
  curl -s -X DELETE "$AWS_ENDPOINT_URL/shop-artifacts/storefront/2.0.0-lesson.$kind" >/dev/null
done
