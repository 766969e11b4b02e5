sandbox fault inject errors storefront --on storefront-canary --amount 0.5
