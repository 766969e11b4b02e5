"""Who calls, and may they: passwords, API tokens, sessions and crumbs. Anonymous may only read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
import uuid
from dataclasses import dataclass

from sandbox.ci.store import Store

ADMIN = "admin"
SESSION_SECONDS = 12 * 3600
ANONYMOUS = "anonymous"


class BadCredentials(Exception):
    """A name with a password or token that is not its own."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `needs_crumb`: their browser may have been made to send it."""

    id: str
    full_name: str
    needs_crumb: bool = True

    @property
    def known(self) -> bool:
        return self.id != ANONYMOUS


NOBODY = Caller(ANONYMOUS, "anonymous")


class Security:
    """Checks callers against the store. Passwords and tokens are only ever kept as digests."""

    def __init__(self, store: Store) -> None:
        self._store = store
        secret = store.setting("secret") or secrets.token_hex(32)
        store.set("secret", secret)
        self._secret = secret.encode()
        self._proven: dict[str, str] = {}  # passwords that were right: scrypt takes 50 ms, a client asks often

    def set_password(self, user: str, password: str, full_name: str = "") -> None:
        if not self.is_password(user, password):
            self._store.put_user(user, full_name or user, _digest(password))

    def is_password(self, user: str, password: str) -> bool:
        row = self._store.user(user)
        if row is None:
            return False
        proof = self._sign(f"password\0{user}\0{password}\0{row['password']}")
        if hmac.compare_digest(self._proven.get(user, ""), proof):
            return True
        right = _matches(password, row["password"])
        if right:
            self._proven[user] = proof
        return right

    def caller(self, authorization: str, cookie: str) -> Caller:
        """Raises BadCredentials. An expired session is nobody's."""
        if authorization.lower().startswith("basic "):
            return self._basic(authorization[6:])
        user = self._session_user(cookie)
        return Caller(user, self._full_name(user)) if user else NOBODY

    def session(self, user: str) -> str:
        """The cookie of somebody who logged in."""
        ends = int(time.time()) + SESSION_SECONDS
        return f"{base64.urlsafe_b64encode(user.encode()).decode()}.{ends}.{self._session_signature(user, ends)}"

    def crumb(self, caller: Caller) -> str:
        return self._sign(f"crumb\0{caller.id}")

    def is_crumb(self, caller: Caller, crumb: str) -> bool:
        return hmac.compare_digest(self.crumb(caller).encode(), crumb.encode())

    def new_token(self, user: str, name: str) -> tuple[str, str]:
        """Its uuid and value; the value cannot be had again."""
        value, id = f"11{secrets.token_hex(16)}", str(uuid.uuid4())
        self._store.put_token(id, user, name, hashlib.sha256(value.encode()).hexdigest())
        return id, value

    def _basic(self, encoded: str) -> Caller:
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise BadCredentials("The Authorization header cannot be read") from None
        digest = hashlib.sha256(password.encode()).hexdigest()
        if any(hmac.compare_digest(row["digest"], digest) for row in self._store.tokens(user)):
            return Caller(user, self._full_name(user), needs_crumb=False)
        if self.is_password(user, password):
            return Caller(user, self._full_name(user))
        raise BadCredentials("Invalid password/token for user: " + user)

    def _session_user(self, cookie: str) -> str:
        try:
            name, ends, signature = cookie.split(".")
            user = base64.urlsafe_b64decode(name.encode()).decode()
            expired = int(ends) < time.time()
        except (ValueError, binascii.Error):
            return ""
        if expired or not hmac.compare_digest(signature, self._session_signature(user, int(ends))):
            return ""
        return user

    def _session_signature(self, user: str, ends: int) -> str:
        row = self._store.user(user)
        return self._sign(f"session\0{user}\0{ends}\0{row['password'] if row else secrets.token_hex()}")

    def _full_name(self, user: str) -> str:
        row = self._store.user(user)
        return str(row["full_name"]) if row else user

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _digest(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_scrypt(password, salt).hex()}"


def _matches(password: str, digest: str) -> bool:
    salt, _, hashed = digest.partition(":")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), hashed)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
