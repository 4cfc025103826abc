"""The roller: minutes and hours behind the watermark, local days when they are over, and hours made dirty by late data.

Every step is one transaction that states its result in `rollup_state` or `rollup_zone`, so a crash anywhere leaves
either the step or nothing of it.
"""

import logging
import time
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from core.store.pool import Connection
from history import store
from history.days import midnights
from history.metrics import HistoryMetrics
from history.resolution import EPOCH, HOUR, floor
from history.store import State, Zone
from history.watermark import close_at, next_end, next_step

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_DAYS_AT_ONCE = 31


class Roller:
    """Works on the one connection that holds the lock."""

    def __init__(self, conn: Connection, metrics: HistoryMetrics, *, lateness_s: float, slice_rows: int) -> None:
        self._conn, self._metrics = conn, metrics
        self._lateness_s, self._slice_rows = lateness_s, slice_rows
        self._step = HOUR
        # The transaction number that must be passed before `closed_up_to` holds, and up to when it does.
        self._waiting_for: str | None = None
        self._settled = EPOCH

    async def round(self, now: datetime) -> bool:
        """One bounded step of each kind; True when there is more to do at once."""
        advanced = await self.advance(now)
        days = await self.fill_days()
        return await self.repair() or days or advanced

    async def advance(self, now: datetime) -> bool:
        await self._settle(now)
        state = await store.state(self._conn)
        if not state.begun and self._settled > EPOCH:
            await store.begin(self._conn, self._settled)
            state = await store.state(self._conn)
        if not state.begun or state.rolled_up_to >= self._settled:
            return False
        until = next_end(state.rolled_up_to, self._step, self._settled)
        began = time.monotonic()
        async with self._conn.transaction():
            await store.roll(self._conn, state.rolled_up_to, until)
        self._step = next_step(self._step, time.monotonic() - began)
        self._metrics.rolled_up_to.set(until.timestamp())
        return until < self._settled

    async def _settle(self, now: datetime) -> None:
        """Close the next minutes, unless the last ones are waited for: waiting for ever newer ones would never end."""
        conn = self._conn
        if self._waiting_for is None:
            state = await store.state(conn)
            target = close_at(now, self._lateness_s)
            if target <= state.closed_up_to and self._settled >= state.closed_up_to:
                return
            await store.close(conn, target)
            self._waiting_for = await store.newest_transaction(conn)
        if await store.all_ended(conn, self._waiting_for):
            self._settled = (await store.state(conn)).closed_up_to
            self._waiting_for = None

    async def fill_days(self) -> bool:
        """Write local days that are over, of zones that just appeared those of the past."""
        await self._meet_zones()
        state = await store.state(self._conn)
        more = False
        for zone in await store.zones(self._conn):
            edges = _over(zone, state.rolled_up_to)
            if len(edges) < 2:
                continue
            chosen = edges[: _DAYS_AT_ONCE + 1]
            async with self._conn.transaction():
                for day, day_end in pairwise(chosen):
                    await store.roll_day(self._conn, zone.name, day, day_end)
                await store.run(self._conn, "days_rolled", zone=zone.name, until=chosen[-1])
            more = more or len(edges) > len(chosen)
        return more

    async def _meet_zones(self) -> None:
        state = await store.state(self._conn)
        if not state.begun:
            return
        for (name,) in await store.rows(self._conn, "new_zones"):
            await store.run(self._conn, "add_zone", zone=name, at=await self._first_day(name, state))
            log.info("days of a new time zone", extra={"action": "history.zone", "time_zone": name})

    async def _first_day(self, zone: str, state: State) -> datetime:
        """The first midnight from which on every day can be written whole."""
        ((oldest, hours_from, minutes_from),) = await store.rows(self._conn, "oldest_hour")
        oldest = min(oldest or state.rolled_up_to, state.rolled_up_to)
        edges = midnights(oldest, state.rolled_up_to + HOUR, ZoneInfo(zone))
        # Days that begin off the hour need minutes, the others only hours.
        kept_from = minutes_from if any(edge.minute or edge.second for edge in edges) else hours_from
        return edges[0] if kept_from == EPOCH else next(edge for edge in edges if edge >= kept_from)

    async def repair(self) -> bool:
        """Compute again what late readings made wrong; True when there may be more marks."""
        async with self._conn.transaction():
            claimed, marks = await store.claim_dirty(self._conn, self._slice_rows)
            state = await store.state(self._conn)
            keys = [key for key in claimed if state.raw_from <= key[2] < state.rolled_up_to]
            for _, group in groupby(keys, key=lambda key: floor(key[2], _DAY)):
                await store.repair_hours(self._conn, list(group), state.rolled_up_to)
            for zone in await store.zones(self._conn):
                await self._repair_days(zone, keys)
        lost = sum(hour < state.raw_from for _, _, hour in claimed)
        if lost:
            log.error(
                "readings came after the raw readings of their time were dropped; the roll-ups stay as they are",
                extra={"action": "history.too_late", "hours": lost},
            )
        self._metrics.repaired.inc(len(keys))
        self._metrics.too_late.inc(lost)
        return marks >= self._slice_rows

    async def _repair_days(self, zone: Zone, keys: list[tuple[int, int, datetime]]) -> None:
        clock = ZoneInfo(zone.name)
        days: dict[tuple[datetime, datetime], set[store.Series]] = defaultdict(set)
        for hour, group in groupby(keys, key=lambda key: key[2]):
            series = {(device, metric) for device, metric, _ in group}
            for day in pairwise(midnights(hour, hour + HOUR, clock)):
                if zone.days_from <= day[0] and day[1] <= zone.days_up_to:
                    days[day] |= series
        for (begin, end), changed in sorted(days.items()):
            await store.repair_day(self._conn, zone.name, begin, end, sorted(changed))


def _over(zone: Zone, rolled_up_to: datetime) -> list[datetime]:
    """The edges of the days that may be written next."""
    if rolled_up_to <= zone.days_up_to:
        return []
    return [edge for edge in midnights(zone.days_up_to, rolled_up_to, ZoneInfo(zone.name)) if edge <= rolled_up_to]
