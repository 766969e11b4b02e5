resource "aws_iam_role" "shop" {
  for_each = local.shop.roles
  name     = each.key

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = each.value.service }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "shop" {
  for_each = local.shop.roles
  name     = each.key
  role     = aws_iam_role.shop[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for allowed in each.value.allow : {
      Effect   = "Allow"
      Action   = allowed.actions
      Resource = allowed.resources
    }]
  })
}
