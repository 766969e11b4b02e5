"""The build's log on its way out: secrets masked, even when split over writes, and lines stamped with the time."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime

MASK = b"****"
SHORTEST = 3


class Masker:
    """Knows the secrets of a build and hides them in a stream of bytes."""

    def __init__(self) -> None:
        self._secrets: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None
        self.longest = 0

    def add(self, secret: bytes) -> None:
        """Hides a secret from now on: as it is, line by line, in base64, and as a shell would quote it."""
        forms = {secret, secret.strip()} | {line for line in secret.splitlines() if len(line) >= 8}
        text = secret.strip()
        for offset in range(3):  # base64 of a text that the secret is part of, at each alignment
            encoded = base64.b64encode(b"\0" * offset + text)
            start = 0 if offset == 0 else offset + 1
            end = len(encoded) - (4 if (len(text) + offset) % 3 else 0)
            forms.add(encoded[start:end] if end - start >= 8 else b"")
        forms |= {base64.b64encode(text), text.replace(b"'", b"'\\''"), base64.urlsafe_b64encode(text)}
        self._secrets |= {form for form in forms if len(form) >= SHORTEST}
        if self._secrets:
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._pattern = re.compile(b"|".join(re.escape(form) for form in longest_first))
            self.longest = len(longest_first[0])

    def hide(self, data: bytes) -> bytes:
        return self._pattern.sub(MASK, data) if self._pattern else data

    def text(self, text: str) -> str:
        return self.hide(text.encode()).decode()

    def unfinished(self, data: bytes) -> int:
        """How many bytes at the end may be the beginning of a secret."""
        for length in range(min(self.longest - 1, len(data)), 0, -1):
            tail = data[-length:]
            if any(len(secret) > length and secret.startswith(tail) for secret in self._secrets):
                return length
        return 0


class Log:
    """One for each build, written to by all its lines of execution."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self.masker = Masker()
        self.offset = 0
        self._at_line_start = True

    def write(self, data: bytes, stamped: bool = False) -> None:
        """Masks and appends."""
        with self._lock:
            data = self.masker.hide(data)
            if stamped:
                data = self._stamp(data)
            if data:
                self._at_line_start = data.endswith(b"\n")
                self.offset = self._write(data)

    def line(self, text: str, stamped: bool = False) -> None:
        """Appends a line of its own."""
        lead = "" if self._at_line_start else "\n"
        self.write(f"{lead}{text}\n".encode(errors="replace"), stamped)

    def _stamp(self, data: bytes) -> bytes:
        now = datetime.now(UTC).strftime("[%Y-%m-%dT%H:%M:%S.%f")[:-3].encode() + b"Z] "
        body = data[:-1].replace(b"\n", b"\n" + now) + data[-1:]
        return now + body if self._at_line_start else body


class Stream:
    """A step's output: holds back what may be half a secret until more has come."""

    def __init__(self, log: Log, stamped: bool) -> None:
        self._log = log
        self._stamped = stamped
        self._held = b""

    def write(self, data: bytes) -> None:
        masker = self._log.masker
        if masker.longest:
            data = self._held + data
            keep = masker.unfinished(masker.hide(data)) if len(data) else 0
            self._held = data[len(data) - keep :] if keep else b""
            data = data[: len(data) - keep] if keep else data
        self._log.write(data, self._stamped)

    def close(self) -> None:
        """Writes what was held back."""
        held, self._held = self._held, b""
        if held:
            self._log.write(held, self._stamped)
