"""The CI runner: Jenkins' pipelines and remote API, ready in a second."""
