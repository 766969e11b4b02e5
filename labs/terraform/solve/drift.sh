curl -sf -X DELETE "$AWS_ENDPOINT_URL/lesson-pictures" >/dev/null
terraform plan -input=false -no-color -out=drift.plan >drift.txt
terraform apply -input=false -no-color drift.plan
