"""Workshop lessons: read from folders, checked against a running sandbox."""
