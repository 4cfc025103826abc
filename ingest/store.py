"""The statements of an ingest batch. Functions take a connection inside a transaction and never commit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from core.contract.event import Micros
from core.contract.event_time import instant, micros
from core.store.pool import Connection
from core.store.queries import load_queries
from ingest import rows
from ingest.accounting import Minutes
from ingest.liveness import DeviceNews
from ingest.tables import Tables

_SQL = load_queries("ingest")


async def stage(conn: Connection) -> None:
    """Once a connection, before its first batch."""
    for statement in _SQL["stage"].split(";"):
        await conn.execute(statement)


async def copy(conn: Connection, query: str, packed: Sequence[bytes]) -> None:
    """COPY rows of `ingest.rows` with the named statement; nothing for no rows."""
    if not packed:
        return
    async with conn.cursor() as cursor, cursor.copy(_SQL[query]) as sink:
        await sink.write(rows.copy_buffer(packed))


async def elect(conn: Connection, keys: Sequence[bytes], *, worker: int, received: Micros) -> set[bytes]:
    """Enter these rows of key_stage, sorted and each once; answers those that were there before.

    Waits for a transaction that is entering one of them.
    """
    if not keys:
        return set()
    await copy(conn, "copy_keys", keys)
    cursor = await conn.execute(_SQL["elect"], {"worker": worker, "received_at": instant(received)}, binary=True)
    return {rows.key_opening(scope) + key for scope, key in await cursor.fetchall()}


async def clear_keys(conn: Connection) -> None:
    """Make room for a second election in the same transaction."""
    await conn.execute(_SQL["clear_keys"])


async def closed_up_to(conn: Connection) -> Micros:
    """Readings before this are late. Ask after the election and no earlier: history/watermark.py says why."""
    cursor = await conn.execute(_SQL["closed_up_to"])
    ((at,),) = await cursor.fetchall()
    return micros(at)


async def write_tables(conn: Connection, tables: Tables) -> None:
    await copy(conn, "copy_reading", tables.reading)
    await copy(conn, "copy_late", [rows.late_row(*each) for each in tables.late])
    await copy(conn, "copy_event", tables.event)
    await copy(conn, "copy_position", tables.position)
    await copy(conn, "copy_dead_letter", tables.dead_letter)


async def write_news(conn: Connection, news: Sequence[tuple[int, DeviceNews]]) -> None:
    """Move device_state forwards."""
    await copy(conn, "copy_state", [_state_row(device_no, of_device) for device_no, of_device in news])
    if news:
        await conn.execute(_SQL["move_state"])


def _state_row(device_no: int, news: DeviceNews) -> bytes:
    if news.last_at is not None and news.plain:
        return rows.seen_row(device_no, news.last_seen, news.last_at)
    return rows.row(
        rows.int4(device_no),
        rows.time(news.last_seen),
        rows.maybe(rows.time, news.last_at),
        rows.maybe(rows.float4, news.battery_pct),
        rows.maybe(rows.time, news.battery_at),
        rows.maybe(rows.boolean, news.worn),
        rows.maybe(rows.time, news.worn_at),
        rows.maybe(rows.text, news.link),
        rows.maybe(rows.time, news.link_at),
        rows.maybe(rows.text, news.link_from),
    )


async def add_counts(conn: Connection, worker: int, counts: Mapping[tuple[str, str], int], minutes: Minutes) -> None:
    """Add events by (lane, outcome) to this worker's totals, and what its minutes should hold."""
    given = sorted((lane, outcome, events) for (lane, outcome), events in counts.items() if events)
    if not given:
        return
    lanes, outcomes, events = (list(column) for column in zip(*given, strict=True))
    booked = [(lane, instant(minute), *entered) for (lane, minute), entered in sorted(minutes.items())]
    minute_lanes, starts, keys, letters = map(list, zip(*booked, strict=True)) if booked else ([], [], [], [])
    await conn.execute(
        _SQL["count"],
        {
            "worker": worker,
            "lanes": lanes,
            "outcomes": outcomes,
            "events": events,
            "minute_lanes": minute_lanes,
            "minutes": starts,
            "keys": keys,
            "dead_letters": letters,
        },
    )


async def live_workers(conn: Connection, worker: int, now: datetime) -> tuple[int, datetime | None]:
    """(other workers that work now, when this one last said so)."""
    cursor = await conn.execute(_SQL["live_workers"], {"component": f"ingest-{worker}", "now": now})
    ((others, last_own),) = await cursor.fetchall()
    return others, last_own


async def write_pulse(conn: Connection, component: str, detail: Mapping[str, Any], at: datetime) -> None:
    await conn.execute(_SQL["pulse"], {"component": component, "detail": Jsonb(dict(detail)), "at": at})
