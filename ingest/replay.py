"""Dead letters once more, after what was wrong with them was put right: a device registered, a child added.

Each is judged again with its topic and the time it was received at, and written as any message is, by a worker number
of its own. One whose events are all refused again stays as it is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mqtt5 import PublishPacket

from core.contract.event import Rejection
from core.contract.event_time import micros
from core.contract.keys import CopyCounter
from core.domain.event_types import CRIES_FOR_HELP
from core.runtime.mqtt import Message
from core.store.pool import Connection
from core.store.queries import load_queries
from ingest.admission import admit, assign_keys, delivery_of
from ingest.database import LaneDatabase
from ingest.delivery import Delivery, Outcome
from ingest.poison import Fault, fault_of
from ingest.writer import Writer
from registry.directory import Directory

_SQL = load_queries("ingest", "queries_replay.sql")

# Of no running worker: theirs begin at 1.
REPLAY_WORKER = 0
PAGE = 200
# It has begun after every message, so it never counts: a nameless alarm gets a key of its own.
_COUNTS_NOTHING = CopyCounter(1 << 62)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters; None: all. `device` is the one that published."""

    since: datetime = _NEVER
    until: datetime = datetime(9999, 1, 1, tzinfo=UTC)
    reason: str | None = None
    device: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    received_at: datetime
    id: UUID
    topic: str
    event_index: int | None
    reason: str
    payload: bytes
    events: int


@dataclass(slots=True)
class Tally:
    """Events by what became of them, and for those that were refused again by (old reason, new reason)."""

    letters: int = 0
    replayed: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, reason: str, outcome: str, events: int = 1) -> None:
        self.outcomes[reason, outcome] += events


async def alone(conn: Connection) -> bool:
    """Whether no other replay runs; holds until the connection ends."""
    ((got,),) = await (await conn.execute(_SQL["alone"])).fetchall()
    return bool(got)


async def count(conn: Connection, selection: Selection) -> int:
    ((found,),) = await (await conn.execute(_SQL["count"], _asked(selection))).fetchall()
    return min(int(found), selection.limit or int(found))


class Replay:
    """Give `page` the last letter seen, until it answers none."""

    def __init__(self, database: LaneDatabase, directory: Directory, *, dry_run: bool) -> None:
        self._database, self._directory, self._dry_run = database, directory, dry_run
        # A cry for help rang when it was refused, marked as uncertain: it does not ring again.
        self._writer = Writer(REPLAY_WORKER, silent=CRIES_FOR_HELP)
        self.tally = Tally()

    async def page(self, conn: Connection, selection: Selection, after: Letter | None) -> list[Letter]:
        """The next letters, read by `conn`."""
        left = PAGE if selection.limit is None else min(PAGE, selection.limit - self.tally.letters)
        asked = {
            **_asked(selection),
            "after_at": after.received_at if after else _NEVER,
            "after_id": after.id if after else UUID(int=0),
            "limit": left,
        }
        return [Letter(*row) for row in await (await conn.execute(_SQL["letters"], asked)).fetchall()]

    async def run(self, letters: Sequence[Letter], now: datetime) -> None:
        """Judge and write them. Raises what the database raises when it is away; letters done before that are done."""
        ripe: list[tuple[Letter, Delivery]] = []
        for letter in letters:
            self.tally.letters += 1
            delivery = self._judged(letter)
            if any(type(piece.content) is not Rejection for piece in delivery.pieces):
                ripe.append((letter, delivery))
            else:
                self._refused(letter, delivery)
        if self._dry_run:
            for letter, delivery in ripe:
                self._done(letter, delivery)
            return
        # Keys are stamped with the oldest receive time of their batch and kept for so many days after it.
        hours: dict[datetime, list[tuple[Letter, Delivery]]] = {}
        for letter, delivery in ripe:
            hours.setdefault(letter.received_at.replace(minute=0, second=0, microsecond=0), []).append(
                (letter, delivery)
            )
        for batch in hours.values():
            await self._write(batch, now)

    def _judged(self, letter: Letter) -> Delivery:
        delivery = delivery_of(Message(PublishPacket(letter.topic, letter.payload), 0, letter.received_at.timestamp()))
        delivery.received = micros(letter.received_at)
        admit(delivery, self._directory)
        for piece in delivery.pieces:
            if type(piece.content) is Rejection:
                piece.content.cries = []
        assign_keys(delivery, _COUNTS_NOTHING)
        return delivery

    async def _write(self, batch: Sequence[tuple[Letter, Delivery]], now: datetime) -> None:
        """One transaction; if the data is at fault, one for each letter, and the bad one stays a dead letter."""
        pieces = [piece for _, delivery in batch for piece in delivery.pieces]
        try:
            async with self._database.transaction() as conn:
                await _mark(conn, [letter for letter, _ in batch], now)
                written = await self._writer.write(conn, pieces, Counter(), now=now)
        except Exception as error:
            if fault_of(error) is not Fault.DATA:
                raise
            if len(batch) == 1:
                letter, _ = batch[0]
                self.tally.add(letter.reason, "rejected: bad_value", letter.events)
                return
            for one in batch:
                await self._write([one], now)
            return
        self._writer.committed(pieces, written)
        for letter, delivery in batch:
            self._done(letter, delivery)

    def _done(self, letter: Letter, delivery: Delivery) -> None:
        self.tally.replayed += 1
        for piece in delivery.pieces:
            if type(piece.content) is Rejection:
                self.tally.add(letter.reason, f"rejected: {piece.content.reason}")
            else:
                self.tally.add(letter.reason, (piece.outcome or Outcome.ACCEPTED).value)
        delivery.pieces.clear()

    def _refused(self, letter: Letter, delivery: Delivery) -> None:
        reasons = Counter(piece.content.reason for piece in delivery.pieces if type(piece.content) is Rejection)
        for reason, events in reasons.items():
            self.tally.add(letter.reason, f"rejected: {reason}", events)
        delivery.pieces.clear()


async def _mark(conn: Connection, letters: Sequence[Letter], now: datetime) -> None:
    moments = [letter.received_at for letter in letters]
    await conn.execute(_SQL["replayed"], {"now": now, "moments": moments, "ids": [letter.id for letter in letters]})


def _asked(selection: Selection) -> dict[str, Any]:
    return {
        "since": selection.since,
        "until": selection.until,
        "reason": selection.reason,
        "device": selection.device,
    }
