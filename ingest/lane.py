"""A lane: takes messages, prepares batches, commits them one after another, then acknowledges and answers.

Two tasks, so that the next batch is decoded while the server works on this one. A batch that the database cannot take
now is kept, unacknowledged: the receive maximum then stops the broker, and nothing is lost.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.contract.event import Rejection
from core.contract.event_time import micros
from core.contract.keys import CopyCounter
from core.contract.topics import parse_topic, receipt_topic
from core.runtime.clock import Clock
from core.runtime.mqtt import Message, MqttSession
from ingest.accounting import Counts, lane_of
from ingest.admission import admit, assign_keys, delivery_of
from ingest.database import LaneDatabase
from ingest.delivery import RECEIVED, Delivery, Outcome, Piece
from ingest.inbox import Inbox
from ingest.metrics import IngestMetrics
from ingest.poison import Fault, condemn, fault_of, name_of
from ingest.receipts import receipt_body, wants_receipt
from ingest.registry_view import RegistryView
from ingest.writer import Writer

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
# Decoding goes on for so many pieces before the event loop may see to the other lane.
_SLICE = 250


@dataclass(slots=True)
class Batch:
    deliveries: list[Delivery] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    dropped: Counts = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """`name` is alarm or telemetry. A batch closes at `batch_events`; pauses between retries grow to `retry_max_s`."""

    name: str
    batch_events: int
    retry_max_s: float
    write_timeout_s: float


class Lane:
    def __init__(
        self,
        limits: LaneLimits,
        *,
        inbox: Inbox,
        session: MqttSession,
        registry: RegistryView,
        database: LaneDatabase,
        writer: Writer,
        metrics: IngestMetrics,
        clock: Clock,
    ) -> None:
        self.limits, self.inbox, self.session, self.clock = limits, inbox, session, clock
        self._registry, self._database, self._writer, self._metrics = registry, database, writer, metrics
        self._copies = CopyCounter(micros(clock.now()))
        self._ready: asyncio.Queue[Batch | None] = asyncio.Queue(maxsize=1)
        self._held: deque[Batch] = deque()
        self._preparing: deque[Message] = deque()
        self._trouble: str | None = None
        self.last_connected = clock.now().timestamp()

    # --- what others may know

    @property
    def trouble(self) -> str | None:
        """Why the batch in hand cannot be committed, as one sentence; None while all is well."""
        return self._trouble

    @property
    def in_flight(self) -> int:
        """Events taken in hand and not yet acknowledged, counted from what is held."""
        return sum(len(batch.pieces) for batch in self._held)

    @property
    def oldest(self) -> float | None:
        """Receive time of the oldest message that is not committed."""
        for batch in self._held:
            if batch.deliveries:
                return batch.deliveries[0].message.received_at
        if self._preparing:
            return self._preparing[0].received_at
        return self.inbox.oldest

    # --- preparing

    async def prepare(self) -> None:
        """Until the inbox is closed and empty."""
        while messages := await self.inbox.take():
            self._preparing.extend(messages)
            await self._decode()
        await self._ready.put(None)

    async def _decode(self) -> None:
        batch = self._new_batch()
        limit, sliced = self.limits.batch_events, 0
        while self._preparing:
            delivery = delivery_of(self._preparing[0])
            admit(delivery, self._registry.current)
            if delivery.stranger and await self._registry.renewed():
                admit(delivery, self._registry.current)
            assign_keys(delivery, self._copies)
            batch.deliveries.append(delivery)
            batch.pieces += delivery.pieces
            self._preparing.popleft()
            sliced += len(delivery.pieces)
            if len(batch.pieces) >= limit and self._preparing:
                await self._ready.put(batch)
                batch = self._new_batch()
            elif sliced >= _SLICE:
                sliced = 0
                await asyncio.sleep(0)
        await self._ready.put(batch)

    def _new_batch(self) -> Batch:
        batch = Batch()
        for message in self.inbox.take_dropped():
            kind = (parse_topic(message.topic) or ("", None))[1]
            batch.dropped[lane_of(kind), Outcome.IGNORED.value] += 1
            batch.dropped[lane_of(kind), RECEIVED] += 1
        self._held.append(batch)
        return batch

    # --- committing

    async def commit(self) -> None:
        """Until `prepare` has handed over everything."""
        while (batch := await self._ready.get()) is not None:
            await self._settle(batch)
            self.session.ack(delivery.message for delivery in batch.deliveries)
            self._held.popleft()
            self._answer(batch.deliveries)
            for delivery in batch.deliveries:
                # Deliveries and pieces know each other: without the ring they are freed at once, and the garbage
                # collector, which stops both lanes, finds nothing to do.
                delivery.pieces.clear()

    async def _settle(self, batch: Batch) -> None:
        """Try until the whole batch is committed. Raises only for a fault of ours, which ends the worker."""
        pause = _FIRST_PAUSE_S
        while True:
            todo = [piece for piece in batch.pieces if piece.outcome is None]
            try:
                if todo or batch.dropped:
                    await self._write(todo, batch.dropped)
                self._well()
                return
            except Exception as error:
                if fault_of(error) is not Fault.SERVER:
                    raise
                self._keep(error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.limits.retry_max_s)

    async def _write(self, pieces: Sequence[Piece], dropped: Counts) -> None:
        """One transaction; if the data is at fault, two with half of it each, down to the one that is."""
        try:
            await self._transaction(pieces, dropped)
            return
        except Exception as error:
            if fault_of(error) is not Fault.DATA or not pieces:
                raise
            culprit = error
        if len(pieces) == 1:
            await self._reject(pieces[0], culprit)
            return
        middle = len(pieces) // 2
        await self._write(pieces[:middle], dropped)
        await self._write(pieces[middle:], Counter())

    async def _reject(self, piece: Piece, error: Exception) -> None:
        log.error(
            "an event that passed the checks cannot be stored: %s",
            name_of(error),
            extra={"action": "ingest.poison", "device_id": piece.delivery.device_id, "lane": self.limits.name},
        )
        if type(piece.content) is Rejection and not piece.content.cries:
            raise error  # not even its dead letter can be stored: nothing of it may be acknowledged
        condemn(piece, error)
        await self._write([piece], Counter())

    async def _transaction(self, pieces: Sequence[Piece], dropped: Counts) -> None:
        began = time.perf_counter()
        async with asyncio.timeout(self.limits.write_timeout_s):
            async with self._database.transaction() as conn:
                written = await self._writer.write(conn, pieces, dropped, now=self.clock.now())
        self._writer.committed(pieces, written)
        dropped.clear()
        self._measure(pieces, written.counts, time.perf_counter() - began)

    # --- answering and telling

    def _answer(self, deliveries: Sequence[Delivery]) -> None:
        now = self.clock.now()
        for delivery in deliveries:
            wanted = wants_receipt(delivery)
            if wanted is None:
                continue
            body = receipt_body(delivery, now) if wanted else None
            if body is None:
                self._metrics.receipts.labels("ignored").inc()
                continue
            sent = self.session.publish_nowait(
                receipt_topic(delivery.device_id),
                body,
                qos=1,
                correlation_data=delivery.message.correlation_data,
            )
            # An unsent receipt is no loss: the device sends again and hears "duplicate".
            self._metrics.receipts.labels("sent" if sent else "unsent").inc()

    def _measure(self, pieces: Sequence[Piece], counts: Counts, seconds: float) -> None:
        lane, metrics = self.limits.name, self._metrics
        for (of_lane, outcome), events in counts.items():
            metrics.events.labels(of_lane, outcome).inc(events)
        for piece in pieces:
            if piece.outcome is Outcome.REJECTED and type(piece.content) is Rejection:
                metrics.rejected.labels(lane_of(piece.delivery.kind), piece.content.reason).inc()
        metrics.batch.labels(lane).observe(len(pieces))
        metrics.commit.labels(lane).observe(seconds)
        if pieces:
            received = pieces[0].delivery.message.received_at
            metrics.lag.labels(lane).observe(max(0.0, self.clock.now().timestamp() - received))

    def _keep(self, error: Exception) -> None:
        self._metrics.retries.labels(self.limits.name).inc()
        text = name_of(error)
        if self._trouble is None:
            log.warning(
                "the database does not take the batch; it is kept and tried again: %s",
                text,
                extra={"action": "ingest.kept", "lane": self.limits.name},
            )
        self._trouble = text

    def _well(self) -> None:
        if self._trouble is not None:
            log.info("the kept batch is committed", extra={"action": "ingest.resumed", "lane": self.limits.name})
        self._trouble = None
