"""A lane: takes messages, prepares batches, commits them one after another, then acknowledges and answers.

Two tasks, so that the next batch is decoded while the server works on this one. When the database does not take a
batch the lane is `away`: everything goes to the spool, in order, and is acknowledged when it is safely on disk, until
the lane's drainer (`ingest.drain`) finds the database taking again. What the spool cannot take is kept
unacknowledged: the receive maximum then stops the broker, and nothing is lost.
"""

import asyncio
import logging
from collections import Counter, deque
from dataclasses import dataclass, replace

from core.contract.event_time import micros
from core.contract.keys import CopyCounter
from core.contract.topics import parse_topic
from core.runtime.clock import Clock
from core.runtime.mqtt import Message, MqttSession
from ingest.accounting import Counts, lane_of
from ingest.admission import admit, assign_keys, delivery_of
from ingest.batch import Batch
from ingest.delivery import RECEIVED, Delivery, Outcome
from ingest.inbox import Inbox
from ingest.limits import FloodNews, RateLimits
from ingest.metrics import IngestMetrics
from ingest.plain import dissolve
from ingest.poison import Fault, fault_of, name_of
from ingest.registry_view import RegistryView
from ingest.settle import Settler
from ingest.spool import Spool
from ingest.spooling import count_keys, keys_of, record_of, restore_keys
from ingest.throttle import throttle

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
# Decoding goes on for so many pieces before the event loop may see to the other lane, and to the batch in the database:
# each of its dozen round trips waits behind a slice (250 to 50: a sixth more drained a second).
_SLICE = 50
# Without a batch for so long, the lane has time for what it held.
_QUIET_S = 1.0
# And no batch waits longer for that than this.
_QUIET_WITHIN_S = 2.0
# Payload of one append: large enough that a sync is shared by a thousand readings, small beside the spool's bound.
_APPEND_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """`name` is alarm or telemetry. A batch closes at `batch_events`; pauses between retries grow to `retry_max_s`.

    `patience_s`: how long the database must refuse before the lane goes to the spool.
    """

    name: str
    batch_events: int
    retry_max_s: float
    patience_s: float


class Lane:
    def __init__(
        self,
        limits: LaneLimits,
        *,
        inbox: Inbox,
        session: MqttSession,
        registry: RegistryView,
        settler: Settler,
        spool: Spool,
        rates: RateLimits,
        metrics: IngestMetrics,
        clock: Clock,
    ) -> None:
        self.limits, self.inbox, self.session, self.spool = limits, inbox, session, spool
        self.rates = rates
        self._registry, self._settler, self._metrics = registry, settler, metrics
        self._copies = CopyCounter(micros(clock.now()))
        self._ready: asyncio.Queue[Batch | None] = asyncio.Queue(maxsize=1)
        self._held: deque[Batch] = deque()
        self._preparing: deque[Message] = deque()
        self._uncounted: Counts = Counter()
        self._untold: list[FloodNews] = []
        self._settled = self._spooled = 0
        self._trouble: str | None = None
        self._away_because: str | None = None
        self.away = asyncio.Event()
        """Set while batches go to the spool; the drainer clears it by `back`."""
        self.last_connected = clock.now().timestamp()

    # --- what others may know

    @property
    def trouble(self) -> str | None:
        """Why batches do not get into the database, as one sentence; None while all is well."""
        return self._trouble

    @property
    def in_flight(self) -> int:
        """Events taken in hand and not yet acknowledged, counted from what is held."""
        return sum(batch.in_hand for batch in self._held)

    @property
    def unaccounted(self) -> int:
        """Messages taken from the session that are neither settled, nor held, nor waiting, nor spooled: always 0."""
        held = len(self._preparing) + sum(len(batch.deliveries) for batch in self._held)
        taken = self.inbox.accepted - self._settled - self._spooled - held - len(self.inbox)
        return taken + self.spool.numbers.unaccounted

    @property
    def pressed(self) -> bool:
        """Whether a whole batch waits: then the spool's drain steps aside."""
        return len(self.inbox) >= self.limits.batch_events or self._ready.full()

    @property
    def oldest(self) -> float | None:
        """Receive time of the oldest message that is not committed."""
        moments = [self.spool.numbers.oldest, self._oldest_in_hand()]
        return min((moment for moment in moments if moment is not None), default=None)

    def _oldest_in_hand(self) -> float | None:
        for batch in self._held:
            if batch.deliveries:
                return batch.deliveries[0].message.received_at
        if self._preparing:
            return self._preparing[0].received_at
        return self.inbox.oldest

    # --- away and back

    def leave(self, why: str) -> None:
        """From now on to the spool."""
        self._trouble = self._away_because = f"{why}; messages go to the spool"
        if not self.away.is_set():
            log.warning(
                "the database takes nothing, messages go to the spool: %s",
                why,
                extra={"action": "ingest.away", "lane": self.limits.name},
            )
        self.away.set()

    def back(self) -> None:
        """The database took a write: live messages go straight in again, before what is in the spool."""
        if self.away.is_set():
            log.info("the database takes messages again", extra={"action": "ingest.back", "lane": self.limits.name})
            self.away.clear()
            self._trouble = None

    # --- preparing

    async def prepare(self) -> None:
        """Until the inbox is closed and empty."""
        while messages := await self.inbox.take():
            self._preparing.extend(messages)
            while self._preparing:
                await (self._collect() if self.away.is_set() else self._decode())
        await self._ready.put(None)

    async def _decode(self) -> None:
        """Judge what is waiting, until the lane goes away."""
        batch = self._new_batch()
        limit, events, sliced = self.limits.batch_events, 0, 0
        while self._preparing:
            delivery = delivery_of(self._preparing[0])
            admit(delivery, self._registry.current, plainly=True)
            if delivery.stranger and not await self._admit_stranger(delivery):
                break
            throttle(delivery, self.rates)
            if delivery.floods or self._untold:
                self._tell_floods(delivery)
            if delivery.pieces:
                assign_keys(delivery, self._copies)
            batch.deliveries.append(delivery)
            self._preparing.popleft()
            events += len(delivery.pieces) + len(delivery.readings)
            if events >= limit and self._preparing:
                batch.gather()
                await self._ready.put(batch)
                batch, events, sliced = self._new_batch(), 0, 0
            elif events - sliced >= _SLICE:
                sliced = events
                await asyncio.sleep(0)
        batch.gather()
        await self._ready.put(batch)

    def _tell_floods(self, delivery: Delivery) -> None:
        """Also those whose delivery went to the spool, which keeps messages only: that a flood ended is said once, and
        its alert would never end."""
        if not delivery.pieces:
            dissolve([delivery])
        floods = [*self._untold, *delivery.floods]
        delivery.floods, self._untold = (floods, []) if delivery.pieces else ([], floods)

    async def _collect(self) -> None:
        """Take what is waiting as it is: for the spool nothing is judged, but alarms are keyed."""
        batch = self._new_batch(raw=True)
        while self._preparing:
            delivery = delivery_of(self._preparing[0])
            count_keys(delivery, self._copies)
            batch.deliveries.append(delivery)
            self._preparing.popleft()
        await self._ready.put(batch)

    async def _admit(self, delivery: Delivery) -> bool:
        admit(delivery, self._registry.current, plainly=True)
        return not delivery.stranger or await self._admit_stranger(delivery)

    async def _admit_stranger(self, delivery: Delivery) -> bool:
        """False: it may be a stranger only because the registry does not answer, and the lane is away now."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self.limits.patience_s, _FIRST_PAUSE_S
        while not self.away.is_set():
            try:
                async with asyncio.timeout(self._settler.within_s):
                    if await self._registry.renewed():
                        admit(delivery, self._registry.current, plainly=True)
                return True
            except Exception as error:
                if fault_of(error) is not Fault.SERVER:
                    raise
                if loop.time() >= until:
                    self.leave(f"the registry does not answer ({name_of(error)})")
                    return False
            await asyncio.sleep(pause)
        return False

    def _new_batch(self, *, raw: bool = False) -> Batch:
        batch = Batch(raw=raw, dropped=self._uncounted)
        self._uncounted = Counter()
        for topic, messages in self.inbox.take_dropped().items():
            kind = (parse_topic(topic) or ("", None))[1]
            batch.dropped[lane_of(kind), Outcome.IGNORED.value] += messages
            batch.dropped[lane_of(kind), RECEIVED] += messages
        self._held.append(batch)
        return batch

    # --- committing

    async def commit(self) -> None:
        """Until `prepare` has handed over everything."""
        while (batch := await self._next()) is not None:
            await self._settle(batch)
            self._held.popleft()
            self._uncounted += batch.dropped
            self._finish(batch.deliveries)
        await self._say_held()

    def _finish(self, deliveries: list[Delivery]) -> None:
        """They are committed. Once each: their packet ids may be other messages' right after."""
        self.session.ack(delivery.message for delivery in deliveries)
        self._settled += len(deliveries)
        self._settler.answer(self.session, deliveries)

    async def _next(self) -> Batch | None:
        """Where none comes for a while, what is held of devices' states is written meanwhile."""
        while self._settler.writer.unsaid:
            try:
                async with asyncio.timeout(_QUIET_S):
                    return await self._ready.get()
            except TimeoutError:
                await self._say_held()
        return await self._ready.get()

    async def _say_held(self) -> None:
        if not self._settler.writer.unsaid or self.away.is_set():
            return
        try:
            await replace(self._settler, within_s=_QUIET_WITHIN_S).write([], Counter())
        except Exception as error:
            if fault_of(error) is not Fault.SERVER:
                raise  # else the next batch takes it along

    async def _settle(self, batch: Batch) -> None:
        """Try until the whole batch is in the database or on disk; what went to the spool has left the batch.

        Raises only for a fault of ours, which ends the worker.
        """
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self.limits.patience_s, _FIRST_PAUSE_S
        while True:
            try:
                await (self._spool(batch) if self.away.is_set() else self._write(batch))
                return
            except Exception as error:
                if fault_of(error) is not Fault.SERVER:
                    raise
                if self._refused(error, lasting=loop.time() >= until):
                    continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.limits.retry_max_s)

    async def _write(self, batch: Batch) -> None:
        if batch.raw:
            await self._judge(batch)
        await self._settler.write_batch(batch)
        if self._trouble is not None:
            log.info("the kept batch is committed", extra={"action": "ingest.resumed", "lane": self.limits.name})
        self._trouble = None

    async def _judge(self, batch: Batch) -> None:
        """The spool had no room, and now the database is back: the batch goes the usual way after all."""
        for delivery in batch.deliveries:
            counted, keys, admitted = delivery.pieces, keys_of(delivery), False
            try:
                admitted = await self._admit(delivery)
            finally:
                if not admitted:  # tried again, or spooled after all, it must have the keys it was counted by
                    delivery.pieces = counted
            if not admitted:
                raise ConnectionError("the registry does not answer")
            restore_keys(delivery, keys)
        batch.gather()
        batch.raw = False

    async def _spool(self, batch: Batch) -> None:
        """All of it, but for what a part of the batch that was committed has settled; a slice at a time, so that near
        the spool's bound as much is safe as there is room for."""
        if not batch.raw:
            batch.dissolve()
        if settled := [each for each in batch.deliveries if not _unsettled(batch, each)]:
            self._part(batch, settled)
            self._finish(settled)
        while rest := batch.deliveries:
            slice_ = _first_bytes(rest, _APPEND_BYTES)
            await self.spool.append([record_of(delivery) for delivery in slice_])
            self.session.ack(delivery.message for delivery in slice_)
            self._spooled += len(slice_)
            self._untold += [news for delivery in slice_ for news in delivery.floods]
            self._part(batch, slice_)
        self._trouble = self._away_because if self.away.is_set() else None

    def _part(self, batch: Batch, gone: list[Delivery]) -> None:
        ids = {id(delivery) for delivery in gone}
        batch.deliveries = [each for each in batch.deliveries if id(each) not in ids]
        batch.pieces = [piece for piece in batch.pieces if id(piece.delivery) not in ids]

    def _refused(self, error: Exception, *, lasting: bool) -> bool:
        """Neither written nor spooled. True: the lane has just gone away, so the spool is next, at once."""
        self._metrics.retries.labels(self.limits.name).inc()
        if not self.away.is_set():
            if lasting:
                self.leave(name_of(error))
                return True
            if self._trouble is None:
                log.warning(
                    "the database does not take the batch; it is kept and tried again: %s",
                    name_of(error),
                    extra={"action": "ingest.kept", "lane": self.limits.name},
                )
            self._trouble = name_of(error)
            return False
        trouble = f"the database is away and the spool takes nothing ({error}); messages wait at the broker"
        if self._trouble != trouble:
            log.error("%s", trouble, extra={"action": "ingest.spool_full", "lane": self.limits.name})
        self._trouble = trouble
        return False


def _unsettled(batch: Batch, delivery: Delivery) -> bool:
    return batch.raw or any(piece.outcome is None for piece in delivery.pieces)


def _first_bytes(deliveries: list[Delivery], most: int) -> list[Delivery]:
    """As many from the beginning as have `most` bytes of payload together, at least one."""
    total = 0
    for number, delivery in enumerate(deliveries):
        total += len(delivery.message.payload)
        if total > most and number:
            return deliveries[:number]
    return deliveries
