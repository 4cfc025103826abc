"""A batch into the database, whatever is wrong with some of it: for live messages and for those of the spool."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.contract.event import Rejection
from core.contract.event_time import SECOND
from core.contract.topics import receipt_topic
from core.runtime.clock import Clock
from core.runtime.mqtt import MqttSession
from ingest.accounting import Counts, lane_of
from ingest.batch import Batch
from ingest.database import LaneDatabase
from ingest.delivery import Delivery, Outcome, Piece
from ingest.emergency_writer import EmergencyWriter
from ingest.metrics import IngestMetrics
from ingest.plain import NO_READINGS, PlainReadings
from ingest.poison import Fault, condemn, fault_of, name_of
from ingest.receipts import receipt_body, wants_receipt
from ingest.writer import Also, Writer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settler:
    """One lane's way into the database. `within_s`: a transaction that takes longer counts as a database away."""

    lane: str
    database: LaneDatabase
    writer: Writer | EmergencyWriter
    metrics: IngestMetrics
    clock: Clock
    within_s: float

    async def write(self, pieces: Sequence[Piece], dropped: Counts, also: Also | None = None) -> None:
        """One transaction; if the data is at fault, two with half of it each, down to the one that is.

        Every piece then has its outcome. `also` is done by the last of the transactions. Raises faults of the server
        (nothing that has no outcome yet is stored, unless the commit's answer was lost) and our own.
        """
        try:
            await self.transaction(pieces, dropped, also)
            return
        except Exception as error:
            if fault_of(error) is not Fault.DATA or not pieces:
                raise
            culprit = error
        if len(pieces) == 1:
            await self._reject(pieces[0], culprit, also)
            return
        middle = len(pieces) // 2
        await self.write(pieces[:middle], dropped)
        await self.write(pieces[middle:], Counter(), also)

    async def _reject(self, piece: Piece, error: Exception, also: Also | None) -> None:
        log.error(
            "an event that passed the checks cannot be stored: %s",
            name_of(error),
            extra={"action": "ingest.poison", "device_id": piece.delivery.device_id, "lane": self.lane},
        )
        if type(piece.content) is Rejection and not piece.content.cries:
            raise error  # not even its dead letter can be stored: nothing of it may be acknowledged
        condemn(piece, error)
        await self.write([piece], Counter(), also)

    async def write_batch(self, batch: Batch, also: Also | None = None) -> None:
        """What of the batch has no outcome yet. If the data is at fault, its plain readings become pieces."""
        if batch.plain:
            try:
                await self.transaction(batch.unsettled, batch.dropped, also, batch.plain)
            except Exception as error:
                if fault_of(error) is not Fault.DATA:
                    raise
                batch.dissolve()
            else:
                return
        if batch.unsettled or batch.dropped or also is not None:
            await self.write(batch.unsettled, batch.dropped, also)

    async def transaction(
        self, pieces: Sequence[Piece], dropped: Counts, also: Also | None, plain: PlainReadings = NO_READINGS
    ) -> None:
        began = time.perf_counter()
        async with self.database.lend(within_s=self.within_s) as conn:
            written = await self.writer.transact(conn, pieces, dropped, also, now=self.clock.now(), plain=plain)
        self.writer.committed(pieces, written, plain)
        dropped.clear()
        self._measure(pieces, plain, written.counts, time.perf_counter() - began)

    def _measure(self, pieces: Sequence[Piece], plain: PlainReadings, counts: Counts, seconds: float) -> None:
        lane, metrics, size = self.lane, self.metrics, len(pieces) + len(plain)
        for (of_lane, outcome), events in counts.items():
            metrics.events.labels(of_lane, outcome).inc(events)
        for piece in pieces:
            if piece.outcome is Outcome.REJECTED and type(piece.content) is Rejection:
                metrics.rejected.labels(lane_of(piece.delivery.kind), piece.content.reason).inc()
        if size:
            metrics.batch.labels(lane).observe(size)
            metrics.commit.labels(lane).observe(seconds)
            received = plain.received / SECOND if plain else pieces[0].delivery.message.received_at
            metrics.lag.labels(lane).observe(max(0.0, self.clock.now().timestamp() - received))

    def answer(self, session: MqttSession, deliveries: Sequence[Delivery]) -> None:
        """The receipts that were asked for, after the commit; then the batch is let go of."""
        now = self.clock.now()
        for delivery in deliveries:
            wanted = wants_receipt(delivery)
            body = receipt_body(delivery, now) if wanted else None
            if body is not None:
                sent = session.publish_nowait(
                    receipt_topic(delivery.device_id),
                    body,
                    qos=1,
                    correlation_data=delivery.message.correlation_data,
                )
                # An unsent receipt is no loss: the device sends again and hears "duplicate".
                self.metrics.receipts.labels("sent" if sent else "unsent").inc()
            elif wanted is not None:
                self.metrics.receipts.labels("ignored").inc()
            # Deliveries and pieces know each other: without the ring they are freed at once, and the garbage
            # collector, which stops both lanes, finds nothing to do.
            delivery.pieces = []
