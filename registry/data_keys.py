"""The data keys of people and dwellings: made with the row, wrapped in the database, destroyed by erasure."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from core.domain.ids import new_id
from core.runtime.crypto import DataKey, Keyring
from core.store.pool import Connection
from core.store.queries import load_queries
from registry.rows import Row, write_all

_FILE = ("registry", "queries_keys.sql")


def make(keyring: Keyring, now: datetime) -> DataKey:
    """A key that `store` has yet to keep."""
    return keyring.new_data_key(new_id(now))


async def store(conn: Connection, keyring: Keyring, keys: Iterable[DataKey], now: datetime) -> None:
    """Keep the wrapped keys. Must come before the rows that name them."""
    rows = [
        {"id": key.id, "wrapped": keyring.wrap(key), "master_key_id": keyring.master_key_id, "now": now} for key in keys
    ]
    await write_all(conn, load_queries(*_FILE)["insert_data_key"], rows)


def of_row(keyring: Keyring, row: Row, prefix: str = "") -> DataKey | None:
    """The key of a row that joins data_key as {prefix}data_key_id, {prefix}wrapped and {prefix}master_key_id.

    None once it was destroyed (or, for a left join, where there is none).
    """
    wrapped = row[f"{prefix}wrapped"]
    if wrapped is None:
        return None
    return keyring.unwrap(row[f"{prefix}data_key_id"], wrapped, row[f"{prefix}master_key_id"])


async def destroy(conn: Connection, ids: Iterable[UUID], now: datetime) -> int:
    """Forget these keys for good; returns how many still existed. Their cipher texts are noise from the commit on."""
    cursor = await conn.execute(load_queries(*_FILE)["destroy_data_keys"], {"ids": list(ids), "now": now})
    return cursor.rowcount
