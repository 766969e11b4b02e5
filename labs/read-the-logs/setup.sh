sandbox fault clear
sandbox fault inject errors storefront --amount 0.3
