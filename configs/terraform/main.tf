# The shop in AWS. What there is stands in resources.yml, which the sandbox's start hook reads, too: the two never
# differ. `sandbox terraform` runs this against the sandbox; with an account's credentials it would build the same there.

terraform {
  required_version = ">= 1.7"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "shop" {
  description = "The folder that holds resources.yml and the functions' sources."
  default     = "../storefront/aws"
}

variable "packages" {
  description = "The folder that holds the functions' zip files, <function>.zip."
  default     = "."
}

data "aws_caller_identity" "me" {}

data "aws_region" "here" {}

locals {
  shop    = yamldecode(file("${path.module}/${var.shop}/resources.yml"))
  account = data.aws_caller_identity.me.account_id
  region  = data.aws_region.here.name
}
