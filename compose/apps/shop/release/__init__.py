"""Releases of the storefront: published to S3, named in the Parameter Store, fetched and switched to by an agent."""
