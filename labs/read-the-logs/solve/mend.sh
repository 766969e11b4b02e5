sandbox fault clear
