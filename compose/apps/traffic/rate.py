"""The rate of the shoppers, for people: `rate.py [RATE [steady|day]]` shows or sets it, and prints it as JSON."""

from __future__ import annotations

import json
import sys
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

URL = "http://127.0.0.1:8089/rate"


def main() -> int:
    request = Request(URL, headers={"Content-Type": "application/json"})
    if wanted := sys.argv[1:]:
        request.method = "PUT"
        request.data = json.dumps(dict(zip(("rate", "shape"), wanted, strict=False))).encode()
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
            print(answer.read().decode())
    except HTTPError as error:
        print(json.load(error)["error"], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
