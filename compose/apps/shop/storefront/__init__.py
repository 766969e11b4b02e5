"""A small web shop, made to be watched, broken and mended."""

SERVICE = "storefront"
