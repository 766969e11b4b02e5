cat >provider.tf <<'PROVIDER'
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

# An emulator has no answer to these questions, and one way to its buckets.
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
}
PROVIDER
terraform init -input=false -no-color || {
  echo "Terraform's AWS provider cannot be had here: it comes from registry.terraform.io, or from a mirror"
  exit 1
}
