sandbox logs storefront --tail 200 | grep '"log.level": "error"' | tail -1 |
  sed 's/.*"trace.id": "\([^"]*\)".*/\1/' >trace.txt
