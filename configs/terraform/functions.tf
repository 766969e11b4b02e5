resource "aws_lambda_function" "shop" {
  for_each      = local.shop.functions
  function_name = each.key
  role          = aws_iam_role.shop[each.key].arn
  runtime       = each.value.runtime
  handler       = each.value.handler
  memory_size   = each.value.memory
  timeout       = each.value.timeout
  filename      = "${path.module}/${var.packages}/${each.key}.zip"

  environment {
    variables = each.value.environment
  }

  lifecycle {
    # Terraform owns the settings; a release owns the code.
    ignore_changes = [filename]
  }
}

resource "aws_lambda_event_source_mapping" "shop" {
  for_each                = local.shop.functions
  function_name           = aws_lambda_function.shop[each.key].arn
  event_source_arn        = aws_sqs_queue.shop[each.value.queue].arn
  batch_size              = each.value.batch
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = each.value.concurrency
  }
}
