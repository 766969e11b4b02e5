sandbox exec storefront python3 -m storefront --clear
sandbox exec storefront python3 -m storefront --error-rate 0.3
