sandbox exec storefront python3 -m release judge >verdict.txt || true
cat verdict.txt
sandbox logs --search 'log.level:error AND service.name:storefront' --since 1m | tail -3
