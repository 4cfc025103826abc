"""The writing side: statements of the roller. Functions take a connection and never commit by themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from core.store.pool import Connection
from core.store.queries import load_queries
from history.resolution import EPOCH, HOUR, ceiling, floor

_SQL = load_queries("history")
_LOCK = 0x68697374  # "hist"
MANY = 100_000

Series = tuple[int, int]  # device_no, metric


@dataclass(frozen=True, slots=True)
class State:
    """EPOCH: nothing yet, or (`raw_from`) nothing dropped."""

    closed_up_to: datetime
    rolled_up_to: datetime
    raw_from: datetime

    @property
    def begun(self) -> bool:
        return self.rolled_up_to > EPOCH


@dataclass(frozen=True, slots=True)
class Zone:
    """Its days from one midnight to another are written."""

    name: str
    days_from: datetime
    days_up_to: datetime


async def rows(conn: Connection, name: str, **params: Any) -> list[tuple[Any, ...]]:
    # Never prepared: a plan for any time would open every chunk there is.
    cursor = await conn.execute(_SQL[name].encode(), params, prepare=False)
    return await cursor.fetchall() if cursor.description else []


async def run(conn: Connection, name: str, **params: Any) -> int:
    """Rows changed."""
    return (await conn.execute(_SQL[name].encode(), params, prepare=False)).rowcount


async def lock(conn: Connection) -> bool:
    """Whether this connection is the one that may roll up, until it is closed."""
    return bool((await rows(conn, "lock", key=_LOCK))[0][0])


async def state(conn: Connection) -> State:
    return State(*(await rows(conn, "state"))[0])


async def close(conn: Connection, at: datetime) -> None:
    await run(conn, "close", at=at)


async def newest_transaction(conn: Connection) -> str:
    return str((await rows(conn, "newest_transaction"))[0][0])


async def all_ended(conn: Connection, before: str) -> bool:
    return bool((await rows(conn, "all_ended", before=before))[0][0])


async def begin(conn: Connection, settled: datetime) -> None:
    """Roll-ups begin with the oldest readings there are, at a whole hour."""
    ((oldest,),) = await rows(conn, "oldest_chunk")
    await run(conn, "begin_at", at=floor(min(oldest or settled, settled), HOUR))


async def roll(conn: Connection, since: datetime, until: datetime) -> None:
    """Minutes of [since, until) and the hours that end there. Raises RuntimeError when `since` is not the watermark."""
    await run(conn, "roll_minutes", since=since, until=until)
    if (low := floor(since, HOUR)) < (high := floor(until, HOUR)):
        await run(conn, "roll_hours", since=low, until=high)
    if await run(conn, "rolled", since=since, until=until) != 1:
        raise RuntimeError("somebody else moved the roll-ups' watermark")


async def zones(conn: Connection) -> list[Zone]:
    return [Zone(*row) for row in await rows(conn, "zones")]


async def roll_day(conn: Connection, zone: str, day: datetime, day_end: datetime) -> None:
    await run(conn, "roll_day", **_day(zone, day, day_end))


async def claim_dirty(conn: Connection, limit: int) -> tuple[list[tuple[int, int, datetime]], int]:
    """Distinct (device, metric, hour) in the order of time, and how many marks of theirs go with this transaction."""
    found = await rows(conn, "claim_dirty", limit=limit)
    return [(device, metric, hour) for device, metric, hour, _ in found], sum(marks for *_, marks in found)


async def repair_hours(conn: Connection, keys: Sequence[tuple[int, int, datetime]], rolled_up_to: datetime) -> None:
    """Compute minutes and hours of `keys` again, all of one day, as far as they are rolled up."""
    devices, metrics, hours = (list(column) for column in zip(*keys, strict=True))
    keyed = {"devices": devices, "metrics": metrics, "hours": hours, "low": min(hours)}
    end = max(hours) + HOUR
    minutes_to, hours_to = min(end, rolled_up_to), min(end, floor(rolled_up_to, HOUR))
    await run(conn, "wipe_minutes", **keyed, high=minutes_to)
    await run(conn, "repair_minutes", **keyed, high=minutes_to)
    await run(conn, "wipe_hours", **keyed, high=hours_to)
    await run(conn, "repair_hours", **keyed, high=hours_to)


async def repair_day(conn: Connection, zone: str, day: datetime, day_end: datetime, series: Sequence[Series]) -> None:
    devices, metrics = (list(column) for column in zip(*series, strict=True))
    params = {**_day(zone, day, day_end), "devices": devices, "metrics": metrics}
    await run(conn, "wipe_day", **params)
    await run(conn, "repair_day", **params)


def _day(zone: str, day: datetime, day_end: datetime) -> dict[str, Any]:
    return {
        "zone": zone,
        "day": day,
        "day_end": day_end,
        "hours_from": ceiling(day, HOUR),
        "hours_to": floor(day_end, HOUR),
    }


async def dirty(conn: Connection) -> tuple[int, datetime | None]:
    """How many marks wait (at most MANY are counted), and since when the oldest."""
    ((number, oldest),) = await rows(conn, "dirty_gauge", limit=MANY)
    return number, oldest


async def pulse(conn: Connection, component: str, detail: Mapping[str, Any], at: datetime) -> None:
    await run(conn, "pulse", component=component, detail=Jsonb(dict(detail)), at=at)
