resource "aws_sqs_queue" "dead" {
  for_each         = local.shop.queues
  name             = "${each.key}-dead"
  max_message_size = each.value.largest
}

resource "aws_sqs_queue" "shop" {
  for_each                   = local.shop.queues
  name                       = each.key
  visibility_timeout_seconds = each.value.visibility
  max_message_size           = each.value.largest

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[each.key].arn
    maxReceiveCount     = each.value.tries
  })
}
