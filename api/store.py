"""The only place of the API that runs SQL: tokens, sign-in failures, idempotency, seats, what sockets may still see.

Every function takes a connection and never commits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from core.store.pool import Connection
from core.store.queries import load_queries

_SQL = load_queries("api")


@dataclass(frozen=True, slots=True)
class RefreshRow:
    id: UUID
    family_id: UUID
    account_id: UUID
    expires_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SeatRow:
    """A connected console; None where it has not said."""

    session_id: UUID
    account_id: UUID
    audible: bool | None
    visible: bool | None
    idle_s: int | None


@dataclass(frozen=True, slots=True)
class KeyScope:
    """Where an Idempotency-Key counts."""

    account_id: UUID
    method: str
    path: str
    key: str

    def params(self) -> dict[str, Any]:
        return {"account_id": self.account_id, "method": self.method, "path": self.path, "key": self.key}


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    body_hash: bytes
    status: int | None
    response: bytes | None


async def _one(conn: Connection, name: str, params: dict[str, Any] | None = None) -> tuple[Any, ...] | None:
    cursor = await conn.execute(_SQL[name].encode(), params)
    return await cursor.fetchone()


async def insert_refresh_token(
    conn: Connection,
    *,
    id: UUID,
    family_id: UUID,
    account_id: UUID,
    token_hash: bytes,
    now: datetime,
    expires_at: datetime,
) -> None:
    params = {
        "id": id,
        "family_id": family_id,
        "account_id": account_id,
        "token_hash": token_hash,
        "now": now,
        "expires_at": expires_at,
    }
    await conn.execute(_SQL["insert_refresh_token"].encode(), params)


async def refresh_token_for_update(conn: Connection, token_hash: bytes) -> RefreshRow | None:
    cursor = conn.cursor(row_factory=class_row(RefreshRow))
    await cursor.execute(_SQL["refresh_token_for_update"].encode(), {"token_hash": token_hash})
    return await cursor.fetchone()


async def mark_rotated(conn: Connection, id: UUID, now: datetime) -> None:
    await conn.execute(_SQL["mark_rotated"].encode(), {"id": id, "now": now})


async def revoke_family(conn: Connection, family_id: UUID, now: datetime) -> None:
    await conn.execute(_SQL["revoke_family"].encode(), {"family_id": family_id, "now": now})


async def count_sign_in(conn: Connection, name_hash: bytes, now: datetime, forget_before: datetime) -> int:
    """Failures so far, this attempt included: a success clears them."""
    params = {"name_hash": name_hash, "now": now, "forget_before": forget_before}
    row = await _one(conn, "count_sign_in", params)
    assert row is not None
    return int(row[0])


async def clear_sign_in(conn: Connection, name_hash: bytes) -> None:
    await conn.execute(_SQL["clear_sign_in"].encode(), {"name_hash": name_hash})


async def forget_old(conn: Connection, *, sign_ins_before: datetime, tokens_before: datetime) -> None:
    await conn.execute(_SQL["forget_old_sign_ins"].encode(), {"forget_before": sign_ins_before})
    await conn.execute(_SQL["forget_old_tokens"].encode(), {"before": tokens_before})


async def claim_idempotency(
    conn: Connection, where: KeyScope, body_hash: bytes, now: datetime, oldest: datetime, wait_s: float
) -> bool:
    """True: the key is ours. Raises psycopg.errors.LockNotAvailable after `wait_s` beside a running first request."""
    await _one(conn, "set_lock_timeout", {"milliseconds": f"{wait_s * 1000:.0f}ms"})
    params = {**where.params(), "body_hash": body_hash, "now": now, "oldest": oldest}
    claimed = await _one(conn, "claim_idempotency", params) is not None
    await _one(conn, "set_lock_timeout", {"milliseconds": "0"})
    return claimed


async def idempotent_answer(conn: Connection, where: KeyScope) -> StoredAnswer | None:
    cursor = conn.cursor(row_factory=class_row(StoredAnswer))
    await cursor.execute(_SQL["idempotent_answer"].encode(), where.params())
    return await cursor.fetchone()


async def store_answer(conn: Connection, where: KeyScope, status: int, response: bytes) -> None:
    params = {**where.params(), "status": status, "response": response}
    await conn.execute(_SQL["store_answer"].encode(), params)


async def upsert_seats(conn: Connection, seats: Sequence[SeatRow], now: datetime) -> None:
    params = {
        "now": now,
        "sessions": [seat.session_id for seat in seats],
        "accounts": [seat.account_id for seat in seats],
        "audible": [seat.audible for seat in seats],
        "visible": [seat.visible for seat in seats],
        "idle_s": [seat.idle_s for seat in seats],
    }
    await conn.execute(_SQL["upsert_seats"].encode(), params)


async def delete_old_seats(conn: Connection, before: datetime) -> None:
    await conn.execute(_SQL["delete_old_seats"].encode(), {"before": before})


async def access_marks(conn: Connection, accounts: Collection[UUID], now: datetime) -> dict[UUID, str]:
    """A text per account that changes with its scope; disabled and unknown accounts are left out."""
    cursor = await conn.execute(_SQL["access_marks"].encode(), {"accounts": list(accounts), "now": now})
    return dict(await cursor.fetchall())


async def revoked_sessions(conn: Connection, sessions: Collection[UUID]) -> set[UUID]:
    cursor = await conn.execute(_SQL["revoked_sessions"].encode(), {"sessions": list(sessions)})
    return {row[0] for row in await cursor.fetchall()}


async def account_names(conn: Connection, accounts: Collection[str]) -> dict[str, str]:
    """Display name by account id; ids that are nobody's are left out."""
    cursor = await conn.execute(_SQL["account_names"].encode(), {"accounts": list(accounts)})
    return dict(await cursor.fetchall())


async def newest_pulse(conn: Connection, prefix: str) -> datetime | None:
    row = await _one(conn, "newest_pulse", {"like": f"{prefix}-%"})
    return row[0] if row else None


async def stored_keys(conn: Connection, keys: Collection[tuple[int, bytes]]) -> set[tuple[int, bytes]]:
    """Those of (publishing device's number, event key) that ingest has entered."""
    params = {"device_nos": [no for no, _ in keys], "keys": [key for _, key in keys]}
    cursor = await conn.execute(_SQL["stored_keys"].encode(), params)
    return {(no, bytes(key)) for no, key in await cursor.fetchall()}


async def ping(conn: Connection) -> None:
    await _one(conn, "ping")
