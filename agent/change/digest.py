"""SHA-256. Python's hashlib is loaded here alone, and late: loading it opens the running system's /etc/ssl."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash


def sha256(data: bytes = b"") -> _Hash:
    """A digest that holds ``data`` so far."""
    import hashlib

    return hashlib.sha256(data)


def sha256_of(pieces: Iterable[bytes], limit: int) -> str:
    """The digest in hexadecimal; "" when the pieces hold more than ``limit`` bytes."""
    digest = sha256()
    size = 0
    for data in pieces:
        size += len(data)
        if size > limit:
            return ""
        digest.update(data)
    return digest.hexdigest()
