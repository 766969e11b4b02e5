curl -sf -X PUT "$AWS_ENDPOINT_URL/first-look"
curl -sf -X PUT -d hello "$AWS_ENDPOINT_URL/first-look/hello.txt"
