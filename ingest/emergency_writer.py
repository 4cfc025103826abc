"""The alarm lane's way of writing a batch: the work of `ingest.writer`, with as few waits as it has questions.

Three for a press (docs/adr/0014-alarm-pipeline.md): who wins and whose they are; everything stored, locked and read;
alerts written and committed. A telemetry lane in the same process may hold each of them up for a slice of decoding.
"""

from collections.abc import Sequence
from datetime import datetime

from alerts.intake import Raising, hear, moment_of
from alerts.ledger import conflicts
from core.contract.event import Micros
from core.store.pipelined import Pipelined, pipelined_transaction
from core.store.pool import Connection
from ingest import store, store_emergency
from ingest.accounting import Counts, count, minutes
from ingest.classify import Candidates, SeenKeys, candidates, outcomes, renamed, scoped_key, won
from ingest.delivery import Outcome, Piece
from ingest.liveness import news_of
from ingest.occurrences import occurrences_of
from ingest.plain import NO_READINGS, PlainReadings
from ingest.store_emergency import send_election, send_rows, send_sightings
from ingest.writer import Also, Written
from registry import attribution
from registry.attribution import Attribution

Moments = dict[tuple[str, datetime], Attribution]


class EmergencyWriter:
    """Writes the pieces of one worker's alarm lane, and does not wait for rows that others merely keep busy."""

    unsaid = False
    """An alarm is written at once, with all it says."""

    def __init__(self, worker: int, *, seen: SeenKeys | None = None) -> None:
        """`seen` is shared with the writer of the lane's spool: a key met by one was met by the worker."""
        self._worker = worker
        self._seen = SeenKeys() if seen is None else seen

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
        """As `Writer.transact`. No alarm is a plain reading."""
        assert not plain
        with conflicts():
            async with pipelined_transaction(conn) as open_:
                if also is not None:
                    await also(conn)
                received = min((piece.delivery.received for piece in pieces), default=0)
                settled, whose = await self._elect(open_, pieces, received)
                judged = list(zip(pieces, settled, strict=True))
                await send_rows(conn, judged)
                await send_sightings(conn, news_of(pieces))
                counts = count(judged) + extra
                await store.add_counts(conn, self._worker, counts, minutes(judged, received))
                # Last: it takes the counter that numbers alert events, which everybody else then waits for.
                if heard := hear(occurrences_of(judged), now):
                    raising = Raising(heard, [whose[moment_of(occurrence)] for occurrence, _ in heard], now)
                    await raising.read(conn)
                    await open_.answers()
                    await raising.write(conn)
        keys = [key for piece in pieces if (key := scoped_key(piece)) is not None]
        return Written(settled, counts, keys)

    def committed(self, pieces: Sequence[Piece], written: Written, plain: PlainReadings = NO_READINGS) -> None:
        """Remember the outcomes. Only now: a batch that failed will be classified again."""
        self._seen.add(written.keys)
        for piece, outcome in zip(pieces, written.outcomes, strict=True):
            piece.outcome = outcome

    async def _elect(
        self, open_: Pipelined, pieces: Sequence[Piece], received: Micros
    ) -> tuple[list[Outcome], Moments]:
        running = candidates(pieces)
        election = await send_election(open_.conn, running.first, worker=self._worker, received=received)
        # Asked of all of them, before it is known who wins: behind the election, whose wait may have been long.
        every = zip(pieces, map(won, pieces), strict=True)
        moments = list(dict.fromkeys(moment_of(told) for told in occurrences_of(every)))
        asked = await attribution.ask(open_.conn, moments) if moments else None
        await open_.answers()
        settled = await self._outcomes(pieces, running, election)
        if repeats := renamed(pieces, settled):
            again = [pieces[number] for number in repeats]
            running = candidates(again)
            election = await send_election(open_.conn, running.first, worker=self._worker, received=received)
            await open_.answers()
            for number, outcome in zip(repeats, await self._outcomes(again, running, election), strict=True):
                settled[number] = outcome
        attributions = [] if asked is None else await attribution.attributions(asked)
        return settled, dict(zip(moments, attributions, strict=True))

    async def _outcomes(
        self, pieces: Sequence[Piece], running: Candidates, election: store_emergency.Election | None
    ) -> list[Outcome]:
        losers = {} if election is None else await election.losers()
        return outcomes(pieces, running, losers, worker=self._worker, seen=self._seen)
