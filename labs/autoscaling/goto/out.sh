sandbox traffic 40
sandbox scale storefront=2
