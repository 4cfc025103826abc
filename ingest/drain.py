"""What is in the spool into the database: in order, with a connection of its own, live messages ahead.

The position goes into the transaction that stores what is before it, so a worker that dies at any moment repeats
nothing. The drainer also is the one that finds out whether the database takes anything again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial

from core.runtime.clock import Clock
from core.runtime.service import wait_or_stop
from core.store.pool import Connection
from ingest import store_spool
from ingest.admission import admit
from ingest.batch import Batch
from ingest.delivery import Delivery
from ingest.lane import Lane
from ingest.poison import Fault, fault_of, name_of
from ingest.progress import Progress
from ingest.registry_view import RegistryView
from ingest.settle import Settler
from ingest.spool import Drawn, Position
from ingest.spooling import delivery_from, restore_keys
from ingest.waiting import any_of

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
# With batches waiting in the live lane the drain steps aside, but never longer: at 1,000 messages a batch it still
# makes 10,000 a second, if the database does.
_STEP_ASIDE_S = 0.1
BATCH_MESSAGES = 1000
# Receipts the broker has not taken yet, above which the drain waits: beyond 50,000 the session would drop them.
_RECEIPTS_WAITING = 20_000
_SLICE = 50


class Drainer:
    """Of one lane. `after`: the drainer that goes first, unless it gets nowhere."""

    def __init__(
        self,
        lane: Lane,
        settler: Settler,
        *,
        worker: int,
        registry: RegistryView,
        clock: Clock,
        after: "Drainer | None" = None,
    ) -> None:
        self.lane, self._settler, self._registry, self._clock = lane, settler, registry, clock
        self._place = store_spool.Place(worker, lane.limits.name)
        self._after = after
        self._progress = Progress()
        self._trouble: str | None = None

    @property
    def busy(self) -> bool:
        """Something is left, and it is getting less."""
        return self.lane.spool.numbers.messages > 0 and self._trouble is None

    def drained_per_s(self) -> float:
        return self._progress.per_s(asyncio.get_running_loop().time())

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; ends within a batch."""
        pause = _FIRST_PAUSE_S
        while not stop.is_set():
            await any_of(self.lane.spool.filled, self.lane.away, stop)
            if stop.is_set():
                return
            try:
                await self._begin()
                await self._drain(stop)
                pause = _FIRST_PAUSE_S
            except Exception as error:
                if fault_of(error) is not Fault.SERVER:
                    raise
                self._failed(error)
                await wait_or_stop(stop, pause)
                pause = min(pause * 2, self.lane.limits.retry_max_s)

    async def _begin(self) -> None:
        """Find out where to go on; with nothing to drain, whether the database takes a write."""
        lane, settler = self.lane, self._settler
        if lane.away.is_set():
            # What broke the lane's line may have left this one half-open: only a new one tells.
            await settler.database.close()
        if not self._registry.loaded:
            await self._registry.renewed()
        async with settler.database.transaction(within_s=settler.within_s) as conn:
            position = await store_spool.read_position(conn, self._place)
            if not lane.spool.numbers.messages:
                await store_spool.touch_position(conn, self._place, at=self._clock.now())
        before = lane.spool.numbers
        await lane.spool.resume(position)
        self._progress.add(lane.spool.numbers.drained - before.drained, asyncio.get_running_loop().time())
        if not lane.spool.numbers.messages:
            self._took()

    async def _drain(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._step_aside(stop)
            drawn = await self.lane.spool.read(BATCH_MESSAGES)
            if not drawn:
                self._took()
                break
            deliveries = await self._judge(drawn)
            await self._write(drawn, deliveries)
            self._took()
            self._settler.answer(self.lane.session, deliveries)
            self._progress.tell(asyncio.get_running_loop().time(), self._place.lane, self.lane.spool.numbers.messages)
        self._progress.end()

    async def _step_aside(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while self._after is not None and self._after.busy:
            if await wait_or_stop(stop, 0.02):
                return
        while self.lane.session.outgoing_pending > _RECEIPTS_WAITING:
            if await wait_or_stop(stop, 0.005):
                return
        until = loop.time() + _STEP_ASIDE_S
        while self.lane.pressed and loop.time() < until:
            if await wait_or_stop(stop, 0.005):
                return

    async def _judge(self, drawn: Sequence[Drawn]) -> list[Delivery]:
        deliveries, sliced = [], 0
        for record, _ in drawn:
            delivery = delivery_from(record)
            admit(delivery, self._registry.current, plainly=True)
            if delivery.stranger and await self._registry.renewed():
                admit(delivery, self._registry.current, plainly=True)
            # No rate limits: it is taken, and a batch that is tried again must not count twice against its devices.
            restore_keys(delivery, record.keys)
            deliveries.append(delivery)
            sliced += len(delivery.pieces) + len(delivery.readings)
            if sliced >= _SLICE:
                sliced = 0
                await asyncio.sleep(0)
        return deliveries

    async def _write(self, drawn: Sequence[Drawn], deliveries: Sequence[Delivery]) -> None:
        """One transaction with the position. If the data is at fault, two with half of the messages each, so that
        every commit says exactly how far it came; within the one bad message the settler goes on halving."""
        batch = Batch(list(deliveries))
        batch.gather()
        position = drawn[-1].position
        also = partial(self._move, position=position)
        middle = len(drawn) // 2
        try:
            if middle:
                await self._settler.transaction(batch.unsettled, Counter(), also, batch.plain)
            else:
                await self._settler.write_batch(batch, also)
        except Exception as error:
            if not middle or fault_of(error) is not Fault.DATA:
                raise
        else:
            await self.lane.spool.drained(position, [record for record, _ in drawn])
            self._progress.add(len(drawn), asyncio.get_running_loop().time())
            return
        await self._write(drawn[:middle], deliveries[:middle])
        await self._write(drawn[middle:], deliveries[middle:])

    async def _move(self, conn: Connection, *, position: Position) -> None:
        await store_spool.move_position(conn, self._place, position, at=self._clock.now())

    def _took(self) -> None:
        self._trouble = None
        self.lane.back()

    def _failed(self, error: Exception) -> None:
        text = name_of(error)
        if self._trouble is None and self.lane.spool.numbers.messages:
            log.warning(
                "the spool is not drained for now: %s",
                text,
                extra={"action": "ingest.drain_waits", "lane": self._place.lane},
            )
        self._trouble = text
