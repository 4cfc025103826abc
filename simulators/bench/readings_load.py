"""Twelve months of readings straight into the table, made by the server itself; then late ones, marked as ingest does.

Seeded: minute and value of each reading are arithmetic on its number, so two loads of one size are equal.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from core.errors import Unavailable
from simulators.bench.shape import Say

METRICS = (1, 2, 3, 4, 10)  # heart rate, SpO2, respiratory rate, body temperature, room temperature
LATE_OF = 100  # every hundredth reading comes late
_DAY = timedelta(days=1)
_TELL_EVERY = 30
_CAUGHT_UP_WITHIN_S = 3600.0

# One day of every series, in the order of time as devices send them. %(late)s picks the hundredths that come late.
_DAY_OF_READINGS = """
INSERT INTO reading (device_no, metric, at, value)
SELECT device, metric, %(day)s::timestamptz + (g + ((device * 7 + metric * 3) %% 10) / 10.0) * %(step)s::interval,
       60 + (g * 31 + device * 17 + metric * 7) %% 61
FROM generate_series(0, %(a_day)s - 1) AS g, unnest(%(devices)s::integer[]) AS device,
     unnest(%(metrics)s::smallint[]) AS metric
WHERE ((g * 7 + device * 13 + metric + %(number)s) %% %(late_of)s = 0) = %(late)s
ORDER BY g
"""
# What is late marks its hour in the same transaction, as ingest/writer.py does.
_MARKS = """
INSERT INTO reading_dirty (device_no, metric, hour)
SELECT DISTINCT device_no, metric, date_trunc('hour', at) FROM reading
WHERE at >= %(day)s AND at < %(day)s::timestamptz + interval '1 day' AND xmin::text = pg_current_xact_id()::xid::text
"""
# The loader goes past ingest, so the roller begins anew, as on a platform that gets its first roll-ups.
_BEGIN_ANEW = (
    "DELETE FROM rollup_zone",
    "UPDATE rollup_state SET closed_up_to = '-infinity', rolled_up_to = '-infinity'",
)


class Loader:
    """`async with Loader(...)`: connections of its own. `days` ends with today."""

    def __init__(self, url: str, devices: Sequence[int], readings: int, now: datetime, days: int, say: Say) -> None:
        self._url, self._devices, self._say, self._days = url, list(devices), say, days
        self._first = now.replace(hour=0, minute=0, second=0, microsecond=0) - _DAY * (days - 1)
        self._now = now
        self._a_day = max(1, -(-readings // (days * len(devices) * len(METRICS))))

    @property
    def readings(self) -> int:
        return self._a_day * self._days * len(self._devices) * len(METRICS)

    async def load(self, *, late: bool) -> None:
        """Every day in the order of time, on two connections. With `late`, the rest, each marked."""
        numbers = iter(range(self._days))

        async def some() -> None:
            async with await psycopg.AsyncConnection.connect(self._url) as conn:
                for number in numbers:
                    await self._one_day(conn, number, late)
                    if number % _TELL_EVERY == 0:
                        self._say(f"  day {number + 1} of {self._days}")

        # Late ones on one connection: marks are repaired in the order they were made, neighbours together.
        await asyncio.gather(*(some() for _ in range(1 if late else 2)))

    async def _one_day(self, conn: psycopg.AsyncConnection[Any], number: int, late: bool) -> None:
        day = self._first + number * _DAY
        params = {
            "day": day,
            "number": number,
            "late": late,
            "late_of": LATE_OF,
            "devices": self._devices,
            "metrics": list(METRICS),
            "a_day": self._a_day,
            # The last day ends now, not at midnight: nothing is measured ahead of time.
            "step": min(_DAY, self._now - day) / (self._a_day + 1),
        }
        await conn.execute(_DAY_OF_READINGS, params)
        if late:
            await conn.execute(_MARKS, {"day": day})
        await conn.commit()

    async def begin_anew(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url) as conn:
            for statement in _BEGIN_ANEW:
                await conn.execute(statement.encode())

    async def caught_up(self, zone: str) -> None:
        """Wait until the roller is behind nothing. Raises Unavailable after an hour."""
        asked = (
            "SELECT greatest(rolled_up_to, 'epoch'), (SELECT count(*) FROM reading_dirty),"
            " (SELECT days_up_to FROM rollup_zone WHERE time_zone = %s) FROM rollup_state"
        )
        loop = asyncio.get_running_loop()
        began = told = loop.time()
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as conn:
            while True:
                rolled, dirty, days = (await (await conn.execute(asked.encode(), (zone,))).fetchall())[0]
                if rolled >= self._now and not dirty and days is not None and days > self._now - 2 * _DAY:
                    return
                if loop.time() - told > 10:
                    told = loop.time()
                    self._say(f"  rolled up to {rolled:%Y-%m-%d %H:%M}, {dirty:,} marks wait")
                if loop.time() - began > _CAUGHT_UP_WITHIN_S:
                    raise Unavailable("anxin history did not catch up within an hour.")
                await asyncio.sleep(0.5)
