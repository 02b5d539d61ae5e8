"""Secrets: made at random, kept as hashes, compared in constant time.

They have 256 bits (or 128, where they open nothing by themselves), so a plain hash is enough:
there is nothing to guess that a slow one would protect.
"""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime


def new_secret() -> str:
    """Return what opens a door: an invitation, a session, the administrator's page."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """Return a name that tells nothing and cannot be guessed."""
    return secrets.token_urlsafe(16)


def hashed(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(first: str, second: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(first.encode(), second.encode())


def now() -> str:
    """Return the time, for people; orders are by sequence, not by it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
