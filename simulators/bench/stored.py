"""How much the platform has stored, asked so that the asking costs nothing: its own counts, not the rows."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

import psycopg

from core.errors import Unavailable

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Tally:
    """Telemetry events by what became of them, since the town began."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    ignored: int = 0

    @property
    def settled(self) -> int:
        return self.accepted + self.duplicate + self.rejected + self.ignored

    def since(self, before: "Tally") -> "Tally":
        return Tally(
            self.accepted - before.accepted,
            self.duplicate - before.duplicate,
            self.rejected - before.rejected,
            self.ignored - before.ignored,
        )


class Store:
    """One connection that asks. `async with Store(url) as store:`"""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._conn: psycopg.AsyncConnection[Any] | None = None

    async def __aenter__(self) -> Self:
        self._conn = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._conn is not None:
            await self._conn.close()

    async def _rows(self, query: Any, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        assert self._conn is not None
        return await (await self._conn.execute(query, values)).fetchall()

    async def tally(self) -> Tally:
        counted = "SELECT outcome, sum(events)::bigint FROM ingest_count WHERE lane = 'telemetry' GROUP BY outcome"
        rows: dict[str, int] = dict(await self._rows(counted))
        return Tally(*(rows.get(name, 0) for name in ("accepted", "duplicate", "rejected", "ignored")))

    async def readings(self) -> int:
        """All rows, one by one: only when nothing is measured."""
        return int((await self._rows("SELECT count(*) FROM reading"))[0][0])

    async def lags_s(self) -> list[float]:
        """For each ingest worker: how old the oldest message was that it had in hand at its last pulse."""
        rows = await self._rows(
            "SELECT extract(epoch FROM at - (detail->>'watermark')::timestamptz)::float FROM component_pulse"
            " WHERE component LIKE 'ingest-%%' AND at > now() - interval '5 s'"
        )
        return [max(0.0, row[0]) for row in rows]

    async def alerts(self) -> int:
        """About people and devices; what the platform says about itself does not count."""
        return int((await self._rows("SELECT count(*) FROM alert WHERE rule NOT LIKE 'platform%%'"))[0][0])

    async def online(self) -> int:
        """Devices whose birth is the newest word about their link."""
        return int((await self._rows("SELECT count(*) FROM device_state WHERE link = 'online'"))[0][0])

    async def until_settled(self, events: int, before: Tally, *, distinct: int = 0, quiet_s: float = 60.0) -> Tally:
        """Wait until so many more events are settled, `distinct` of them accepted. Raises Unavailable after `quiet_s`
        without progress."""
        loop = asyncio.get_running_loop()
        seen, moved = -1, loop.time()
        while True:
            tally = (await self.tally()).since(before)
            if tally.settled >= events and tally.accepted >= distinct:
                return tally
            if tally.settled != seen:
                seen, moved = tally.settled, loop.time()
            if loop.time() - moved > quiet_s:
                raise Unavailable(f"Ingest stopped at {tally.settled} of {events} events.")
            await asyncio.sleep(_POLL_S)


def must_be_whole(tally: Tally, *, readings: int, distinct: int, stored: int, redelivered: bool = False) -> None:
    """Nothing lost, nothing doubled, nothing refused, or Unavailable says what. `stored`: new rows. `redelivered`: the
    broker may have delivered again what a worker had committed and could not acknowledge."""
    told = (tally.accepted, tally.rejected + tally.ignored, stored)
    repeats = tally.duplicate - (readings - distinct)
    if told != (distinct, 0, distinct) or repeats < 0 or (repeats and not redelivered):
        raise Unavailable(
            f"Of {readings} readings, {distinct} of them distinct, {tally.accepted} were accepted, {tally.duplicate} "
            f"taken for duplicates, {tally.rejected} rejected, {tally.ignored} ignored, and {stored} rows are stored."
        )
