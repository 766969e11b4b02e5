sandbox traffic 20
