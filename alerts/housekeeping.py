"""Deleting what nobody needs any more, the engine's sign of life, and the counts of live alerts."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from core.store.pool import Connection, Pool, transaction
from core.store.queries import load_queries

_SQL = load_queries("alerts")

# The oldest event that is accepted (30 d) and five days: a key that goes too early lets an event in twice.
EVENT_KEYS_KEPT = timedelta(days=35)
IDEMPOTENCY_KEPT = timedelta(hours=24)
STOPPED_PARTS_KEPT = timedelta(days=1)
SLICE_ROWS = 5000
_PURGES = (
    ("purge_event_keys", EVENT_KEYS_KEPT),
    ("purge_minutes", EVENT_KEYS_KEPT),
    ("purge_idempotency", IDEMPOTENCY_KEPT),
    ("purge_pulses", STOPPED_PARTS_KEPT),
)


async def purge(pool: Pool, now: datetime) -> bool:
    """Delete one slice of each; True when there is more."""
    full = False
    for query, kept in _PURGES:
        async with transaction(pool) as conn:
            deleted = (await conn.execute(_SQL[query], {"before": now - kept, "limit": SLICE_ROWS})).rowcount
        full = full or deleted == SLICE_ROWS
    return full


async def beat(pool: Pool, component: str, detail: Mapping[str, Any], now: datetime) -> None:
    async with transaction(pool) as conn:
        await write_pulse(conn, component, detail, now)


async def write_pulse(conn: Connection, component: str, detail: Mapping[str, Any], now: datetime) -> None:
    await conn.execute(_SQL["pulse"], {"component": component, "detail": Jsonb(dict(detail)), "at": now})


async def live_counts(pool: Pool) -> dict[str, tuple[int, datetime | None]]:
    """By severity: how many alerts are live, and when the oldest that nobody has taken was opened."""
    async with pool.connection() as conn:
        rows = await (await conn.execute(_SQL["open_counts"])).fetchall()
    return {severity: (number, oldest) for severity, number, oldest in rows}
