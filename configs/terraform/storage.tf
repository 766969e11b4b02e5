resource "aws_s3_bucket" "shop" {
  for_each      = toset(local.shop.buckets)
  bucket        = each.key
  force_destroy = true
}

resource "aws_dynamodb_table" "shop" {
  for_each     = local.shop.tables
  name         = each.key
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = each.value.key

  attribute {
    name = each.value.key
    type = "S"
  }
}

resource "aws_ssm_parameter" "shop" {
  for_each = local.shop.parameters
  name     = each.key
  type     = "String"
  value    = each.value

  lifecycle {
    # A release says which version runs; Terraform only sees to it that there is a place to say so.
    ignore_changes = [value]
  }
}
