"""What LocalStack needs to work without Docker and without fetching programs. It is found by its entry points."""
