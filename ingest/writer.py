"""One batch, one transaction: keys elect what is new, then rows, state, counts, and alerts last of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.intake import raise_alerts
from core.contract.control import ResultWord
from core.contract.event import Micros
from core.contract.event_time import micros
from core.contract.keys import unique_key
from core.store.pool import Connection
from ingest import store
from ingest.accounting import Counts, count, minutes
from ingest.classify import ScopedKey, SeenKeys, candidates, outcomes, scoped_key
from ingest.delivery import Outcome, Piece
from ingest.liveness import news_of
from ingest.occurrences import occurrences_of
from ingest.sightings import Plan, Sightings
from ingest.tables import tables_of
from registry.commands import finish

# Alarms are no readings, so an emergency need not ask; should one ever be, marking its hour is always right.
_EVERY_READING_IS_LATE: Micros = 1 << 62
# A batch of so many events is load; a smaller one can afford a row of device_state for each of its devices.
_BUSY_EVENTS = 500


@dataclass(slots=True)
class Written:
    """What a transaction will have done once it is committed."""

    outcomes: list[Outcome]
    keys: list[ScopedKey]
    counts: Counts
    sightings: Plan
    alert_changes: int = 0


class Writer:
    """Writes the pieces of one worker and lane. `emergency`: do not wait for rows that others merely keep busy.
    `silent`: types of event that the alert rules are not told of."""

    def __init__(
        self,
        worker: int,
        *,
        emergency: bool,
        seen: SeenKeys | None = None,
        silent: frozenset[str] = frozenset(),
        hold: Micros = 0,
    ) -> None:
        """`seen` is shared with the writer of the same lane's spool: a key met by one was met by the worker.
        `hold`: see `ingest.sightings`."""
        self._worker = worker
        self._silent = silent
        self._emergency = emergency
        self._seen = SeenKeys() if seen is None else seen
        self._sightings = Sightings(hold)

    @property
    def unsaid(self) -> bool:
        """Whether something of devices' states is held: a batch without pieces writes it."""
        return bool(self._sightings)

    async def write(self, conn: Connection, pieces: Sequence[Piece], extra: Counts, *, now: datetime) -> Written:
        """Do all the work of the pieces inside the caller's transaction; sets no outcome, so it may be repeated.

        `extra` is added to the counts. Call `committed` after the commit.
        """
        received = min((piece.delivery.received for piece in pieces), default=0)
        settled = await self._elect(conn, pieces, received)
        await _finish_commands(conn, pieces, settled, now)
        judged = list(zip(pieces, settled, strict=True))
        closed_up_to = _EVERY_READING_IS_LATE if self._emergency else await store.closed_up_to(conn)
        await store.write_tables(conn, tables_of(judged, closed_up_to))
        sightings = self._sightings.plan(news_of(pieces), micros(now), busy=len(pieces) >= _BUSY_EVENTS)
        await store.write_news(conn, sightings.write, may_wait=not self._emergency)
        counts = count(judged) + extra
        await store.add_counts(conn, self._worker, counts, minutes(judged, received))
        changes = 0
        if found := [told for told in occurrences_of(judged) if told.type not in self._silent]:
            # Last: it takes the counter that numbers alert events, which everybody else then waits for.
            changes = len(await raise_alerts(conn, found, now=now))
        keys = [key for piece in pieces if self._emergency and (key := scoped_key(piece)) is not None]
        return Written(settled, keys, counts, sightings, changes)

    def committed(self, pieces: Sequence[Piece], written: Written) -> None:
        """Remember the outcomes. Only now: a batch that failed will be classified again."""
        self._seen.add(written.keys)
        self._sightings.done(written.sightings)
        for piece, outcome in zip(pieces, written.outcomes, strict=True):
            piece.outcome = outcome

    async def _elect(self, conn: Connection, pieces: Sequence[Piece], received: Micros) -> list[Outcome]:
        settled = await self._round(conn, pieces, received)
        repeats = [
            number for number, outcome in enumerate(settled) if outcome is Outcome.DUPLICATE and pieces[number].insist
        ]
        if repeats:
            # An alarm that names neither id nor time is never taken for a repeat of itself.
            for number in repeats:
                pieces[number].key = unique_key()
            await store.clear_keys(conn)
            again = await self._round(conn, [pieces[number] for number in repeats], received)
            for number, outcome in zip(repeats, again, strict=True):
                settled[number] = outcome
        for piece in pieces:
            # Tried again after a commit whose answer was lost, it may find its own row: that is no other press.
            piece.insist = False
        return settled

    async def _round(self, conn: Connection, pieces: Sequence[Piece], received: Micros) -> list[Outcome]:
        running = candidates(pieces)
        lost = await store.elect(conn, running.first, worker=self._worker, received=received)
        losers = dict.fromkeys(lost, self._worker)
        if lost and self._emergency:
            losers.update(await store.holders(conn, lost))
        return outcomes(pieces, running, losers, worker=self._worker, seen=self._seen)


async def _finish_commands(conn: Connection, pieces: Sequence[Piece], settled: list[Outcome], now: datetime) -> None:
    """An answer to no command of this device, or a second answer, changes nothing and counts as a duplicate."""
    for number, piece in enumerate(pieces):
        word = piece.content
        if type(word) is not ResultWord:
            continue
        publisher = piece.delivery.device_id
        if not await finish(conn, publisher, word.command_id, outcome=word.outcome, detail=word.detail, now=now):
            settled[number] = Outcome.DUPLICATE
