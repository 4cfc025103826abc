"""Passwords of the broker's clients, hashed the way Mosquitto reads them (`$7$rounds$salt$hash`, PBKDF2-SHA512).

There is one round, on purpose. Stretching protects words that people choose; these passwords are 160 random bits,
which nobody guesses at any speed, while the broker's only thread pays every round for each connected device at each
reload, and for each of 100,000 devices that come back after a power cut (docs/adr/0004-broker-credentials.md).
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from core.errors import Conflict, NotFound
from core.store.pool import Connection
from core.store.queries import Queries, load_queries

ROUNDS = 1
_SALT_BYTES = 12
_PASSWORD_BYTES = 20


def new_password() -> str:
    """160 random bits as 32 lower-case letters and digits: no quoting in a shell, no leading dash."""
    return base64.b32encode(secrets.token_bytes(_PASSWORD_BYTES)).decode().lower()


def hash_password(password: str, *, salt: bytes | None = None, rounds: int = ROUNDS) -> str:
    """The password in Mosquitto's form. For random tokens only; a person's password needs many more rounds."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


async def put(conn: Connection, username: str, password: str, now: datetime, *, device_id: str | None = None) -> None:
    """Let `username` in with this password, which replaces any it had. `device_id` None: a part of the platform.

    Raises Conflict("username-taken") when the name belongs to a device and a platform part at once.
    """
    row = {"username": username, "device_id": device_id, "hash": hash_password(password), "now": now}
    cursor = await conn.execute(_queries()["put_credential"], row)
    if cursor.rowcount == 0:
        raise Conflict(f"{username} is the name of another client of the broker.", code="username-taken")


async def insert_for_devices(conn: Connection, passwords: Mapping[str, str], now: datetime) -> None:
    """New credentials of new devices: user name = device id."""
    hashes = [hash_password(password) for password in passwords.values()]
    await conn.execute(_queries()["insert_credentials"], {"ids": list(passwords), "hashes": hashes, "now": now})


async def revoke(conn: Connection, username: str, now: datetime) -> None:
    """Close the broker to `username`; it is disconnected within 5 s of the commit. Raises NotFound."""
    if not await revoke_if_valid(conn, username, now):
        raise NotFound(f"The broker knows no valid credential named {username}.")


async def revoke_if_valid(conn: Connection, username: str, now: datetime) -> bool:
    """As `revoke`; False when there was nothing to revoke."""
    cursor = await conn.execute(_queries()["revoke_credential"], {"username": username, "now": now})
    return cursor.rowcount == 1


async def platform_names(conn: Connection, names: Sequence[str]) -> frozenset[str]:
    """Those of `names` that are the platform's own users of the broker."""
    cursor = await conn.execute(_queries()["platform_names"], {"names": list(names)})
    return frozenset(row[0] for row in await cursor.fetchall())


def _queries() -> Queries:
    return load_queries("registry", "queries_broker.sql")
