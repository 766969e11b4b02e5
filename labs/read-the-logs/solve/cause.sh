sandbox logs storefront | grep 'faults: errors' | tail -1 | sed 's/.*faults: errors \([0-9.]*\).*/\1/' >cause.txt
