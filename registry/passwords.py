"""People's passwords: Argon2id with the library's parameters (RFC 9106, low memory), off the event loop."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import FieldError, Invalid

SHORTEST = 10
LONGEST = 256  # hashing a megabyte would be a favour to whoever sends it

_hasher = PasswordHasher()


def new_password() -> str:
    """96 random bits, 16 characters that need no quoting."""
    return secrets.token_urlsafe(12).replace("-", "a").replace("_", "b")


def check(password: str) -> None:
    """Raises Invalid for one that is too short or absurdly long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(FieldError("password", "length", f"A password has {SHORTEST} to {LONGEST} characters."))


async def hash_password(password: str) -> str:
    return await asyncio.to_thread(_hasher.hash, password)


async def matches(stored: str, password: str) -> bool:
    """Whether `password` made `stored`; takes as long for a wrong one."""
    return len(password) <= LONGEST and await asyncio.to_thread(_matches, stored, password)


def needs_rehash(stored: str) -> bool:
    """Whether `stored` was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
