"""`python -m sandbox` is the same as `sandbox`."""

from sandbox.cli import main

main()
