"""Real Groovy for pipelines: a warm Java process that parses and runs scripts, and asks Python for every step."""
