"""A small web shop, made to be watched, broken and mended."""

VERSION = "1.0.0"
