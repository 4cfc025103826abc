"""What leaves on one connection: packet ids, the broker's receive maximum, a bounded queue.

Lives exactly as long as its connection: when that is lost every waiting caller gets `Disconnected`.
Does no I/O itself: it is given `write` and `schedule`.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, TypedDict

from mqtt5 import PublishPacket

from core.runtime.mqtt_types import (
    PACKET_TOO_LARGE,
    QOS,
    TOPIC_NAME_INVALID,
    Disconnected,
    OutgoingFull,
    PublishRefused,
    reason_text,
)

log = logging.getLogger(__name__)

MAX_PACKET_ID = 65535
MAX_PACKET_BYTES = 2**28 - 1  # what the length field of MQTT can say
SLAB_BYTES = 64 * 1024
# Wildcards and control characters: a broker answers such a topic by closing the connection, and
# topics come from outside (a device's response topic).
_BAD_TOPIC = re.compile("[+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

Sent = asyncio.Future[None]


class PublishOptions(TypedDict, total=False):
    """`qos` is 0 or 1; `message_expiry_s`: the broker drops it if it could not deliver by then."""

    qos: int
    retain: bool
    response_topic: str | None
    correlation_data: bytes | None
    message_expiry_s: int | None


def check_topic(topic: str) -> None:
    """Raises PublishRefused for a name no broker would take."""
    if not topic or _BAD_TOPIC.search(topic) or len(topic.encode()) > MAX_PACKET_ID:
        raise PublishRefused(TOPIC_NAME_INVALID)


def publish_encoder(topic: str, payload: bytes, options: PublishOptions) -> Callable[[int | None], bytes]:
    """A function from packet id (None at QoS 0) to the bytes of the PUBLISH. Raises PublishRefused."""
    check_topic(topic)

    def encode(packet_id: int | None) -> bytes:
        return PublishPacket(
            topic,
            payload,
            qos=QOS[0 if packet_id is None else 1],
            retain=options.get("retain", False),
            packet_id=packet_id,
            response_topic=options.get("response_topic"),
            correlation_data=options.get("correlation_data"),
            message_expiry_interval=options.get("message_expiry_s"),
        ).write()

    return encode


class PacketIds:
    """Packet identifiers 1…65535 in turn, never one that is still waiting for its answer."""

    def __init__(self) -> None:
        self._last = 0
        self._used: set[int] = set()

    def take(self) -> int:
        if len(self._used) >= MAX_PACKET_ID:
            raise OutgoingFull("all packet ids are in use")
        while True:
            self._last = self._last % MAX_PACKET_ID + 1
            if self._last not in self._used:
                self._used.add(self._last)
                return self._last

    def release(self, packet_id: int) -> None:
        self._used.discard(packet_id)


class _Queued(NamedTuple):
    frame: bytes
    packet_id: int | None
    done: Sent | None


class Outgoing:
    """First in, first out. QoS 1 packets wait while `receive_max` are unanswered, all wait while paused."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        schedule: Callable[[Callable[[], None]], object],
        *,
        limit: int,
        limit_bytes: int,
    ) -> None:
        self.ids = PacketIds()
        self._write, self._schedule = write, schedule
        self._limit, self._limit_bytes = limit, limit_bytes
        self._receive_max, self._max_packet = 0, MAX_PACKET_BYTES
        self._queue: deque[_Queued] = deque()
        self._queued_bytes = 0
        self._unanswered: dict[int, Sent | None] = {}
        self._paused = self._scheduled = self._lost = False
        self._refusals_logged: set[int] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def pending(self) -> int:
        """Packets queued or waiting for their PUBACK."""
        return len(self._queue) + len(self._unanswered)

    def open(self, *, receive_max: int, max_packet: int | None) -> None:
        """The broker's CONNACK named its limits; what was queued may go."""
        self._receive_max = receive_max
        self._max_packet = max_packet or MAX_PACKET_BYTES
        self._wake()

    def put(self, encode: Callable[[int | None], bytes], *, qos: int, done: Sent | None) -> None:
        """Queue one PUBLISH; `encode` gets the packet id. Raises OutgoingFull, PublishRefused, Disconnected.

        `done` ends when a QoS 0 packet is handed to the transport, a QoS 1 packet has its PUBACK.
        """
        if self._lost:
            raise Disconnected("no link to the broker")
        if len(self._queue) >= self._limit or (self._queue and self._queued_bytes >= self._limit_bytes):
            raise OutgoingFull(f"{len(self._queue)} packets wait to be sent to the broker")
        packet_id = self.ids.take() if qos else None
        try:
            frame = encode(packet_id)
        except BaseException:
            self._release(packet_id)
            raise
        if len(frame) > self._max_packet:
            self._release(packet_id)
            raise PublishRefused(PACKET_TOO_LARGE)
        self._queue.append(_Queued(frame, packet_id, done))
        self._queued_bytes += len(frame)
        self.idle.clear()
        self._wake()

    def answered(self, packet_id: int, code: int) -> None:
        """A PUBACK came."""
        if packet_id not in self._unanswered:
            return
        done = self._unanswered.pop(packet_id)
        self.ids.release(packet_id)
        if code >= 0x80:
            self._refused(done, code)
        elif done is not None and not done.done():
            done.set_result(None)
        self._wake()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._wake()

    def lost(self, reason: str) -> None:
        """The link is gone: nobody waits any longer."""
        self._lost = True
        waiting = [queued.done for queued in self._queue] + list(self._unanswered.values())
        self._queue.clear()
        self._unanswered.clear()
        for done in waiting:
            if done is not None and not done.done():
                done.set_exception(Disconnected(f"the link went down before the broker answered: {reason}"))
        self.idle.set()

    def _wake(self) -> None:
        # One flush per turn of the loop: a batch of receipts leaves in one write.
        if not self._scheduled:
            self._scheduled = True
            self._schedule(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        slab: list[bytes] = []
        size = 0
        while self._queue and not self._paused and not self._lost:
            frame, packet_id, done = self._queue[0]
            abandoned = done is not None and done.done()
            if packet_id is not None and not abandoned and len(self._unanswered) >= self._receive_max:
                break
            self._queue.popleft()
            self._queued_bytes -= len(frame)
            if abandoned:
                self._release(packet_id)
                continue
            self._handed_over(packet_id, done)
            slab.append(frame)
            size += len(frame)
            if size >= SLAB_BYTES:
                # The transport may answer this write by pausing us.
                self._write(b"".join(slab))
                slab, size = [], 0
        if slab:
            self._write(b"".join(slab))
        if not self.pending:
            self.idle.set()

    def _release(self, packet_id: int | None) -> None:
        if packet_id is not None:
            self.ids.release(packet_id)

    def _handed_over(self, packet_id: int | None, done: Sent | None) -> None:
        if packet_id is not None:
            self._unanswered[packet_id] = done
        elif done is not None:
            done.set_result(None)

    def _refused(self, done: Sent | None, code: int) -> None:
        if done is not None:
            if not done.done():
                done.set_exception(PublishRefused(code))
        elif code not in self._refusals_logged:
            # Once a reason and connection: a misconfigured right must not flood the log.
            self._refusals_logged.add(code)
            log.warning(
                "the broker refused a message nobody waits for: %s",
                reason_text(code),
                extra={"action": "mqtt.publish_refused", "code": code},
            )
