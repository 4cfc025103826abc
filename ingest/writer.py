"""One batch, one transaction: keys elect what is new, then rows, state, counts, and alerts last of all."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alerts.intake import raise_alerts
from core.contract.control import ResultWord
from core.contract.event import Micros
from core.contract.event_time import micros
from core.store.pool import Connection
from ingest import rows, store
from ingest.accounting import Counts, count, count_plain, minutes
from ingest.classify import ScopedKey, candidates, outcomes, renamed
from ingest.delivery import Outcome, Piece
from ingest.liveness import news_of
from ingest.occurrences import occurrences_of
from ingest.plain import NO_READINGS, PlainReadings
from ingest.sightings import Plan, Sightings
from ingest.tables import add_plain, tables_of
from registry.commands import finish

# A batch of so many events is load; a smaller one can afford a row of device_state for each of its devices.
_BUSY_EVENTS = 500


# Work of the same transaction: for the spool, how far it is drained. It sends and does not ask.
Also = Callable[[Connection], Awaitable[None]]


@dataclass(slots=True)
class Written:
    """What a transaction will have done once it is committed. `keys`: those to remember, where copies are told from
    duplicates; `sightings`: where some are held; `repeated`: the numbers of plain readings that were here before."""

    outcomes: list[Outcome]
    counts: Counts
    keys: Sequence[ScopedKey] = ()
    sightings: Plan | None = None
    repeated: set[int] = field(default_factory=set)


class Writer:
    """Writes the pieces of one worker and lane, in batches as large as they come; alarms have a writer of their own.
    `silent`: types of event that the alert rules are not told of."""

    def __init__(self, worker: int, *, silent: frozenset[str] = frozenset(), hold: Micros = 0) -> None:
        """`hold`: see `ingest.sightings`."""
        self._worker = worker
        self._silent = silent
        self._sightings = Sightings(hold)

    @property
    def unsaid(self) -> bool:
        """Whether something of devices' states is held: a batch without pieces writes it."""
        return bool(self._sightings)

    async def transact(
        self,
        conn: Connection,
        pieces: Sequence[Piece],
        extra: Counts,
        also: Also | None,
        *,
        now: datetime,
        plain: PlainReadings = NO_READINGS,
    ) -> Written:
        """`write` in a transaction of its own, `also` with it; committed when it returns. Any exception rolls back."""
        async with conn.transaction():
            if also is not None:
                await also(conn)  # before the others, whose last statement takes the counter everybody waits for
            return await self.write(conn, pieces, extra, now=now, plain=plain)

    async def write(
        self,
        conn: Connection,
        pieces: Sequence[Piece],
        extra: Counts,
        *,
        now: datetime,
        plain: PlainReadings = NO_READINGS,
    ) -> Written:
        """Do all the work of the events inside the caller's transaction; sets no outcome, so it may be repeated.

        `extra` is added to the counts. Call `committed` after the commit.
        """
        received = min((piece.delivery.received for piece in pieces), default=plain.received)
        if plain:
            received = min(received, plain.received)
        settled, repeated = await self._elect(conn, pieces, plain, received)
        await _finish_commands(conn, pieces, settled, now)
        judged = list(zip(pieces, settled, strict=True))
        closed_up_to = await store.closed_up_to(conn)
        tables = tables_of(judged, closed_up_to)
        add_plain(tables, plain, repeated, closed_up_to)
        await store.write_tables(conn, tables)
        busy = len(pieces) + len(plain) >= _BUSY_EVENTS
        sightings = self._sightings.plan(news_of(pieces), plain.seen, micros(now), busy=busy)
        await store.write_news(conn, sightings.write)
        counts = count(judged) + count_plain(len(plain), len(repeated)) + extra
        await store.add_counts(conn, self._worker, counts, minutes(judged, received, plain=len(plain) - len(repeated)))
        if found := [told for told in occurrences_of(judged) if told.type not in self._silent]:
            # Last: it takes the counter that numbers alert events, which everybody else then waits for.
            await raise_alerts(conn, found, now=now)
        return Written(settled, counts, sightings=sightings, repeated=repeated)

    def committed(self, pieces: Sequence[Piece], written: Written, plain: PlainReadings = NO_READINGS) -> None:
        """Remember the outcomes. Only now: a batch that failed will be classified again."""
        assert written.sightings is not None
        self._sightings.done(written.sightings)
        for piece, outcome in zip(pieces, written.outcomes, strict=True):
            piece.outcome = outcome
        plain.settle(written.repeated)

    async def _elect(
        self, conn: Connection, pieces: Sequence[Piece], plain: PlainReadings, received: Micros
    ) -> tuple[list[Outcome], set[int]]:
        """The outcomes of the pieces, and which plain readings are repeats."""
        settled, repeated = await self._round(conn, pieces, plain, received)
        if repeats := renamed(pieces, settled):
            await store.clear_keys(conn)
            again, _ = await self._round(conn, [pieces[number] for number in repeats], NO_READINGS, received)
            for number, outcome in zip(repeats, again, strict=True):
                settled[number] = outcome
        return settled, repeated

    async def _round(
        self, conn: Connection, pieces: Sequence[Piece], plain: PlainReadings, received: Micros
    ) -> tuple[list[Outcome], set[int]]:
        running = candidates(pieces)
        own = [rows.key_row(key) for key in running.first]
        # Sorted: all workers take their locks in one order, so none deadlock.
        lost = await store.elect(conn, sorted({*own, *plain.keys}), worker=self._worker, received=received)
        losers = {number: self._worker for row, number in zip(own, running.first.values(), strict=True) if row in lost}
        settled = outcomes(pieces, running, losers, worker=self._worker)
        return settled, plain.repeated(lost.union(own))


async def _finish_commands(conn: Connection, pieces: Sequence[Piece], settled: list[Outcome], now: datetime) -> None:
    """An answer to no command of this device, or a second answer, changes nothing and counts as a duplicate."""
    for number, piece in enumerate(pieces):
        word = piece.content
        if type(word) is not ResultWord:
            continue
        publisher = piece.delivery.device_id
        if not await finish(conn, publisher, word.command_id, outcome=word.outcome, detail=word.detail, now=now):
            settled[number] = Outcome.DUPLICATE
