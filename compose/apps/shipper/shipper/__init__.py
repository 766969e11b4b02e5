"""shipper: reads the containers' logs from the Docker API and sends them to an Elasticsearch API, none lost or doubled."""
