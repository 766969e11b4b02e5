sandbox exec storefront python3 -m storefront --latency-ms 700
