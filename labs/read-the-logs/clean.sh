sandbox exec storefront python3 -m storefront --clear
