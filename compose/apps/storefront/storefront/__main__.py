"""The fault switch for people: `sandbox exec storefront python3 -m storefront --error-rate 0.2`."""

from __future__ import annotations

import argparse
import json
import sys
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

URL = "http://127.0.0.1:8000/-/faults"


def main() -> int:
    parser = argparse.ArgumentParser(prog="storefront", description="Show or set this storefront's faults.")
    parser.add_argument("--latency-ms", type=int, help="delay of every shop request")
    parser.add_argument("--error-rate", type=float, help="share of failing requests, from 0 to 1")
    parser.add_argument("--clear", action="store_true", help="switch all faults off")
    options = vars(parser.parse_args())
    clear = options.pop("clear")
    faults = {name: value for name, value in options.items() if value is not None}
    request = Request(URL, headers={"Content-Type": "application/json"})
    request.method = "DELETE" if clear else "PUT" if faults else "GET"
    request.data = json.dumps(faults).encode() if request.method == "PUT" else None
    try:
        # A proxy set for the container must not see a request to itself.
        with build_opener(ProxyHandler({})).open(request) as answer:
            print(answer.read().decode().strip())
    except HTTPError as error:
        print(json.load(error)["error"]["message"], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
