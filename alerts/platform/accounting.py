"""Does the sum close? Counts against counts, and counts against the rows themselves.

For each worker and lane `received = accepted + duplicate + echo + rejected + ignored`. Then two numbers of different
origin: what each minute of receipt was told to hold when its rows were written (`ingest_minute`), and the rows that are
there now, counted. A row that was lost, deleted by hand or restored from an older backup shows as a difference.

Cheap on a big database: a span of minutes is counted through the BRIN index of `event_key`, and `Walk` gives the engine
a bounded number of rows at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.store.pool import Connection
from core.store.queries import load_queries
from registry import access_log

_SQL = load_queries("alerts.platform")

MINUTE = timedelta(minutes=1)
# The newest minutes are counted in every round: what goes wrong now is seen at once.
NEWEST = timedelta(minutes=3)
# Some 0.3 s of counting on the machine of docs/benchmarks.md.
SLICE_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class LaneTotals:
    """Events of one worker and lane since the beginning, and the rows that were entered for them."""

    worker: int
    lane: str
    received: int
    accepted: int
    duplicate: int
    echo: int
    rejected: int
    ignored: int
    keys: int
    dead_letters: int

    @property
    def settled(self) -> int:
        return self.accepted + self.duplicate + self.echo + self.rejected + self.ignored

    @property
    def keys_expected(self) -> range:
        """How many keys may have been entered. Telemetry that was refused has one only if it cried for help."""
        if self.lane == "control":
            return range(1)
        most = self.accepted + self.rejected
        return range(most if self.lane == "alarm" else self.accepted, most + 1)


@dataclass(frozen=True, slots=True)
class Difference:
    """One sum that does not close. `worker` 0 and lane "-": not known whose."""

    what: str
    worker: int
    lane: str
    expected: int
    found: int
    since: datetime | None = None
    until: datetime | None = None

    def sentence(self) -> str:
        whose = f"worker {self.worker} {self.lane}" if self.worker else "all workers"
        when = f" received {self.since:%Y-%m-%d %H:%M} to {self.until:%H:%M}" if self.since and self.until else ""
        return f"{whose}: {self.found} {self.what}{when}, {self.expected} are booked"


def differences(totals: Sequence[LaneTotals]) -> list[Difference]:
    """What does not close in the counts. Pure."""
    found = []
    for of in totals:
        if of.received != of.settled:
            found.append(Difference("settled", of.worker, of.lane, of.received, of.settled))
        if of.keys not in of.keys_expected:
            nearest = min(max(of.keys, of.keys_expected[0]), of.keys_expected[-1])
            found.append(Difference("keys entered", of.worker, of.lane, nearest, of.keys))
        if of.dead_letters != of.rejected:
            found.append(Difference("dead letters written", of.worker, of.lane, of.rejected, of.dead_letters))
    return found


async def read_totals(conn: Connection) -> list[LaneTotals]:
    return [LaneTotals(*row) for row in await (await conn.execute(_SQL["totals"])).fetchall()]


async def booked_minutes(conn: Connection, since: datetime, until: datetime) -> list[tuple[datetime, int]]:
    """(minute, rows it should hold), newest first: what may be judged of this span."""
    rows = await (await conn.execute(_SQL["booked_minutes"], {"since": since, "until": until})).fetchall()
    return [(minute, rows_booked) for minute, rows_booked in rows]


def slices(minutes: Sequence[tuple[datetime, int]], budget: int = SLICE_ROWS) -> Iterator[tuple[datetime, datetime]]:
    """Spans of whole minutes, newest first, each of at most `budget` rows or one minute. Pure."""
    until: datetime | None = None
    since: datetime | None = None
    rows = 0
    for minute, booked in minutes:
        if since is not None and until is not None and rows + booked > budget:
            yield since, until
            until, rows = since, 0
        until = until or minute + MINUTE
        since = minute
        rows += booked
    if since is not None and until is not None:
        yield since, until


async def count_slice(conn: Connection, since: datetime, until: datetime) -> list[Difference]:
    """The rows of one span against its books."""
    rows = await (await conn.execute(_SQL["slice"], {"since": since, "until": until})).fetchall()
    return [Difference(_ROWS[what], worker, "-", booked, found, since, until) for what, worker, booked, found in rows]


_ROWS = {"keys": "rows of event_key", "dead_letters": "rows of dead_letter"}


class Walk:
    """Counts the newest minutes each time and, slice by slice, everything of the last `window` over and over.

    `complete`: it has been all around at least once.
    """

    def __init__(self, window: timedelta, budget: int = SLICE_ROWS) -> None:
        self._window, self._budget = window, budget
        self._cursor: datetime | None = None
        self.complete = False
        self._open: dict[tuple[datetime, datetime], list[Difference]] = {}

    async def step(self, conn: Connection, now: datetime) -> list[Difference]:
        """One round; the differences known so far. One that was found is looked at again until it closes."""
        newest = now - NEWEST
        cursor = self._cursor or newest
        older = await booked_minutes(conn, now - self._window, cursor)
        first = next(slices(older, self._budget), None)
        self._cursor = first[0] if first else None
        self.complete = self.complete or first is None
        fresh = await booked_minutes(conn, newest, now + MINUTE)
        spans = {*self._open, *((minute, minute + MINUTE) for minute, _ in fresh)}
        if first:
            spans.add(first)
        self._open = {span: found for span in sorted(spans) if (found := await count_slice(conn, *span))}
        return [*differences(await read_totals(conn)), *(one for found in self._open.values() for one in found)]


async def write_off(conn: Connection, found: Sequence[Difference], reason: str, now: datetime) -> None:
    """Book the differences between rows and minutes as explained, on record; the alert clears then.

    Differences between counts are not written off: nothing an operator does makes them.
    """
    spans = {(one.since, one.until) for one in found if one.since is not None}
    for since, until in sorted(spans, key=str):
        await conn.execute(_SQL["write_off"], {"since": since, "until": until})
    for one in found:
        if one.since is not None:
            fields = [one.what, f"{one.found - one.expected:+d}"]
            await access_log.record(conn, None, "change", "accounting", str(one.worker), fields, reason, None, now)
