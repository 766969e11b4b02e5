"""logstore: a light store for logs that speaks a named part of the Elasticsearch API."""

VERSION = "0.1.0"
