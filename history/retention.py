"""Dropping what is older than it is to be kept, whole chunks at a time, and nothing that no roll-up holds yet."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.store.pool import Connection
from history import store
from history.metrics import HistoryMetrics
from history.settings import HistorySettings

# Most chunks of one table a round: each is a transaction of its own, so nobody waits for more than one drop.
AT_ONCE = 50
_NOTED_AS = {"reading": "dropped_raw", "reading_1m": "dropped_minutes", "reading_1h": "dropped_hours"}


def kept_days(settings: HistorySettings) -> dict[str, int]:
    return {
        "reading": settings.history_raw_days,
        "reading_1m": settings.history_minutes_days,
        "reading_1h": settings.history_hours_days,
        "event": settings.history_events_days,
        "position": settings.history_positions_days,
        "dead_letter": settings.history_dead_letters_days,
    }


async def drop_old(conn: Connection, days: Mapping[str, int], metrics: HistoryMetrics, now: datetime) -> bool:
    """Drop a round of chunks; True when there may be more. `days` by table."""
    safe = await _safe_to_drop(conn)
    full = False
    for table, kept in days.items():
        before = now - timedelta(days=kept)
        if table in _NOTED_AS:
            if table not in safe:
                continue
            before = min(before, safe[table])
        ends = [end for (end,) in await store.rows(conn, "droppable", table=table, before=before, limit=AT_ONCE)]
        for end in ends:
            await _drop(conn, table, end)
            metrics.dropped.labels(table).inc()
        full = full or len(ends) == AT_ONCE
    return full


async def _drop(conn: Connection, table: str, before: datetime) -> None:
    async with conn.transaction():
        # A long question holds the chunk's lock; whoever comes after us would wait behind us for as long.
        await conn.execute("SET LOCAL lock_timeout = '3s'")
        if noted := _NOTED_AS.get(table):
            await store.run(conn, noted, before=before)
        await store.rows(conn, "drop_chunks", table=table, before=before)


async def _safe_to_drop(conn: Connection) -> dict[str, datetime]:
    """Before when each table's rows are in the next coarser one; empty before the first roll-up."""
    found = await store.rows(conn, "safe_to_drop")
    if not found:
        return {}
    ((raw, rolled, raw_from),) = found
    # A repair sums up minutes to hours and hours to days: neither may go before the raw readings they would come from.
    # A local day may reach two days back from where they begin.
    coarser = min(rolled, raw_from) - timedelta(days=2)
    return {"reading": raw, "reading_1m": coarser, "reading_1h": coarser}
