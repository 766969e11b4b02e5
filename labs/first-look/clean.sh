curl -sf -X DELETE "$AWS_ENDPOINT_URL/first-look/hello.txt" >/dev/null || true
curl -sf -X DELETE "$AWS_ENDPOINT_URL/first-look" >/dev/null || true
sandbox traffic 5
