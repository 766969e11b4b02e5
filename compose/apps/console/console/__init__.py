"""The sandbox's front door in a browser."""
