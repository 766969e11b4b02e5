sandbox exec storefront python3 -m release publish 2.0.0-lesson --commit abc1234
sandbox exec storefront python3 -m release canary 2.0.0-lesson --share 50
