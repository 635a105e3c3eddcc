"""Random values that are sent once and stored as hashes."""

import hashlib
import secrets


def new_secret() -> str:
    """Return 256 random bits, as 43 characters that fit into a URL."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """Return what is stored of a secret. 256 random bits need no slow hash (ASVS 6.5.2)."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
