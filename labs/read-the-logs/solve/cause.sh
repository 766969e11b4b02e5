sandbox logs storefront | grep 'error rate' | tail -1 | sed 's/.*error rate \([0-9.]*\).*/\1/' >cause.txt
