"""The products' pictures. S3 keeps them; the drawings that come with the shop are put there first, and stand in
while S3 is away.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from pathlib import Path

from shop import aws

DRAWINGS = Path(__file__).parent / "static" / "products.svg"
SYMBOL = re.compile(r'<symbol id="(\w+)" (viewBox="[^"]*")>(.*?)</symbol>', re.DOTALL)
FRESH = 60.0  # seconds for which a picture is not asked for again
RETRY = 5.0

log = logging.getLogger(__name__)


def drawings() -> dict[str, bytes]:
    """Product -> its drawing as an SVG of its own."""
    symbols = SYMBOL.findall(DRAWINGS.read_text(encoding="utf-8"))
    return {
        name: f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{body.strip()}</svg>'.encode()
        for name, box, body in symbols
    }


class Pictures:
    """Reads through a small cache, and never lets a visitor wait for an S3 that is away."""

    def __init__(self) -> None:
        self._drawings = drawings()
        self._cache: dict[str, tuple[float, bytes]] = {}

    def publish(self) -> None:
        """Puts pictures that S3 lacks there, as soon as it answers; on a thread of its own."""
        threading.Thread(target=self._publish, daemon=True).start()

    def _publish(self) -> None:
        while True:
            try:
                listed = aws.ask("s3", "list_objects_v2", Bucket=aws.PICTURES_BUCKET)
                present = {entry["Key"] for entry in listed.get("Contents", ())}
                for name, picture in self._drawings.items():
                    if f"{name}.svg" not in present:
                        target = {"Bucket": aws.PICTURES_BUCKET, "Key": f"{name}.svg", "ContentType": "image/svg+xml"}
                        aws.ask("s3", "put_object", Body=picture, **target)
                log.info("the pictures are in S3")
                return
            except aws.AwsError:
                time.sleep(RETRY)

    def get(self, product: str) -> tuple[bytes, str]:
        """The picture, and whether it came from `s3` or is `built-in`. Raises KeyError for an unknown product."""
        drawing, now = self._drawings[product], time.monotonic()
        kept_until, picture = self._cache.get(product, (0.0, b""))
        if kept_until > now:
            return picture, "s3"
        try:
            found = aws.ask("s3", "get_object", Bucket=aws.PICTURES_BUCKET, Key=f"{product}.svg")["Body"].read()
        except aws.AwsError:
            return drawing, "built-in"
        self._cache[product] = (now + FRESH, found)
        return found, "s3"
