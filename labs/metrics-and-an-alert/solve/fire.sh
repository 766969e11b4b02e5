sandbox fault inject latency storefront --amount 700
