"""A local DevOps sandbox: AWS, CI, logs, metrics and sample apps on Docker Compose."""

__version__ = "0.1.0"
