cat >main.tf <<'MAIN'
resource "aws_s3_bucket" "pictures" {
  bucket = "lesson-pictures"
}

resource "aws_ssm_parameter" "greeting" {
  name  = "/lesson/greeting"
  type  = "String"
  value = "Hello"
}
MAIN
terraform apply -input=false -auto-approve -no-color
