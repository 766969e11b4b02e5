sandbox exec storefront python3 -m release rollback
