"""One batch, one transaction: keys elect what is new, then rows, state, counts, and alerts last of all."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.intake import raise_alerts
from core.contract.control import ResultWord
from core.contract.event import Micros
from core.contract.event_time import micros
from core.store.pool import Connection
from ingest import store
from ingest.accounting import Counts, count, minutes
from ingest.classify import ScopedKey, SeenKeys, candidates, outcomes, renamed
from ingest.delivery import Outcome, Piece
from ingest.liveness import news_of
from ingest.occurrences import occurrences_of
from ingest.sightings import Plan, Sightings
from ingest.tables import tables_of
from registry.commands import finish

# Only copies of alarms are told from duplicates, and only between workers.
_NOTHING_SEEN = SeenKeys()
# A batch of so many events is load; a smaller one can afford a row of device_state for each of its devices.
_BUSY_EVENTS = 500


# Work of the same transaction: for the spool, how far it is drained. It sends and does not ask.
Also = Callable[[Connection], Awaitable[None]]


@dataclass(slots=True)
class Written:
    """What a transaction will have done once it is committed. `keys`: those to remember, where copies are told from
    duplicates; `sightings`: where some are held."""

    outcomes: list[Outcome]
    counts: Counts
    keys: Sequence[ScopedKey] = ()
    sightings: Plan | None = None


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
        self, conn: Connection, pieces: Sequence[Piece], extra: Counts, also: Also | None, *, now: datetime
    ) -> Written:
        """`write` in a transaction of its own, `also` with it; committed when it returns. Any exception rolls back."""
        async with conn.transaction():
            if also is not None:
                await also(conn)  # before the others, whose last statement takes the counter everybody waits for
            return await self.write(conn, pieces, extra, now=now)

    async def write(self, conn: Connection, pieces: Sequence[Piece], extra: Counts, *, now: datetime) -> Written:
        """Do all the work of the pieces inside the caller's transaction; sets no outcome, so it may be repeated.

        `extra` is added to the counts. Call `committed` after the commit.
        """
        received = min((piece.delivery.received for piece in pieces), default=0)
        settled = await self._elect(conn, pieces, received)
        await _finish_commands(conn, pieces, settled, now)
        judged = list(zip(pieces, settled, strict=True))
        await store.write_tables(conn, tables_of(judged, await store.closed_up_to(conn)))
        sightings = self._sightings.plan(news_of(pieces), micros(now), busy=len(pieces) >= _BUSY_EVENTS)
        await store.write_news(conn, sightings.write)
        counts = count(judged) + extra
        await store.add_counts(conn, self._worker, counts, minutes(judged, received))
        if found := [told for told in occurrences_of(judged) if told.type not in self._silent]:
            # Last: it takes the counter that numbers alert events, which everybody else then waits for.
            await raise_alerts(conn, found, now=now)
        return Written(settled, counts, sightings=sightings)

    def committed(self, pieces: Sequence[Piece], written: Written) -> None:
        """Remember the outcomes. Only now: a batch that failed will be classified again."""
        assert written.sightings is not None
        self._sightings.done(written.sightings)
        for piece, outcome in zip(pieces, written.outcomes, strict=True):
            piece.outcome = outcome

    async def _elect(self, conn: Connection, pieces: Sequence[Piece], received: Micros) -> list[Outcome]:
        settled = await self._round(conn, pieces, received)
        if repeats := renamed(pieces, settled):
            await store.clear_keys(conn)
            again = await self._round(conn, [pieces[number] for number in repeats], received)
            for number, outcome in zip(repeats, again, strict=True):
                settled[number] = outcome
        return settled

    async def _round(self, conn: Connection, pieces: Sequence[Piece], received: Micros) -> list[Outcome]:
        running = candidates(pieces)
        lost = await store.elect(conn, running.first, worker=self._worker, received=received)
        return outcomes(pieces, running, dict.fromkeys(lost, self._worker), worker=self._worker, seen=_NOTHING_SEEN)


async def _finish_commands(conn: Connection, pieces: Sequence[Piece], settled: list[Outcome], now: datetime) -> None:
    """An answer to no command of this device, or a second answer, changes nothing and counts as a duplicate."""
    for number, piece in enumerate(pieces):
        word = piece.content
        if type(word) is not ResultWord:
            continue
        publisher = piece.delivery.device_id
        if not await finish(conn, publisher, word.command_id, outcome=word.outcome, detail=word.detail, now=now):
            settled[number] = Outcome.DUPLICATE
