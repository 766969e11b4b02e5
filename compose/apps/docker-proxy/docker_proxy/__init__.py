"""Lets the CI service run builds in containers: a narrow part of the Docker API, judged request by request."""
