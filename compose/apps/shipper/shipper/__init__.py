"""shipper: sends the containers' logs to an Elasticsearch API, none lost or doubled."""
