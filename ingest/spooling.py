"""A message into the spool and out of it again: what is kept, and the keys that were counted on its receipt.

A nameless alarm is keyed by counting (`core.contract.keys`). A second count, at the drain, would number it otherwise
than the other worker numbered its copy, and one press would become two: the first count is kept.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from mqtt5 import PublishPacket

from core.contract.codec import decode
from core.contract.event import Event, Rejection
from core.contract.keys import KEY_BYTES, CopyCounter
from core.contract.topics import Kind
from core.domain.event_types import Lane
from core.runtime.mqtt import Message
from ingest.admission import assign_keys, delivery_of
from ingest.delivery import Delivery, Piece
from ingest.spool_record import Record

Keys = Sequence[tuple[int | None, bytes]]

# It has begun after every message, so it never counts: whatever it is asked for is unique.
_COUNTS_NOTHING = CopyCounter(1 << 62)


def count_keys(delivery: Delivery, copies: CopyCounter) -> None:
    """Key an alarm without the registry, which may be away; its pieces serve for nothing else."""
    if delivery.kind is not Kind.ALARM or delivery.message.retain:
        return
    decoded = decode(delivery.message.payload, Lane.ALARM, delivery.received)
    delivery.pieces = [Piece(delivery, event) for event in decoded.events]
    delivery.pieces += [Piece(delivery, rejection) for rejection in decoded.rejections]
    assign_keys(delivery, copies)


def keys_of(delivery: Delivery) -> tuple[tuple[int | None, bytes], ...]:
    if delivery.kind is not Kind.ALARM:
        return ()  # one worker reads it: its keys can be made again from what it says and when it came
    return tuple((_index(piece), piece.key) for piece in delivery.pieces if piece.key is not None)


def restore_keys(delivery: Delivery, keys: Keys) -> None:
    """Key an admitted delivery; nameless alarms get the keys they had. They do not insist: each was counted once, so
    a key of this worker that is taken is taken by this very alarm."""
    assign_keys(delivery, _COUNTS_NOTHING)
    kept = dict(keys)
    for piece in delivery.pieces:
        if piece.insist:
            piece.insist = False
            piece.key = _kept(kept, _index(piece)) or piece.key


def record_of(delivery: Delivery) -> Record:
    message = delivery.message
    return Record(
        topic=message.topic,
        payload=message.payload,
        received_at=message.received_at,
        qos=message.qos,
        retain=message.retain,
        response_topic=message.response_topic,
        correlation_data=message.correlation_data,
        keys=keys_of(delivery),
    )


def delivery_from(record: Record) -> Delivery:
    """As it was received, but without a link: it was acknowledged when it was written."""
    packet = PublishPacket(
        record.topic,
        record.payload,
        retain=record.retain,
        response_topic=record.response_topic,
        correlation_data=record.correlation_data,
    )
    return delivery_of(Message(packet, 0, record.received_at))


def _index(piece: Piece) -> int | None:
    return piece.content.index if isinstance(piece.content, Event | Rejection) else None


def _kept(kept: Mapping[int | None, bytes], index: int | None) -> bytes | None:
    """Refused as a whole by the registry, an alarm has fewer pieces than were counted: then one is made of the first,
    the same for every worker's copy."""
    if index in kept or not kept:
        return kept.get(index)
    first = next(iter(kept.values()))
    return blake2b(first + repr(index).encode(), digest_size=KEY_BYTES).digest()
