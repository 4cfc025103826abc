"""Whose message it is: the publishing device, its children, their life cycle; and the key of every piece.

Part of one worker's memory only through `CopyCounter`; otherwise pure. Rate limits per device belong here, between
the check of the child and the key.
"""

from core.domain.event_types import CRIES_FOR_HELP, Lane
from core.runtime.mqtt import Message
from ingest import control
from ingest.codec import decode
from ingest.delivery import Delivery, Piece
from ingest.event import Cry, Decoded, Event, Reason, Refused, Rejection
from ingest.keys import CopyCounter, content_of, key_of, refused_key, unique_key
from ingest.topics import Kind, parse_topic
from registry.directory import DeviceEntry, Directory

RETIRED = "retired"
_LANES = {Kind.ALARM: Lane.ALARM, Kind.TELEMETRY: Lane.TELEMETRY}


def delivery_of(message: Message) -> Delivery:
    """Who sent it and when it was received; nothing of the payload yet."""
    device_id, kind = parse_topic(message.topic) or ("", None)
    return Delivery(message, device_id, kind, int(message.received_at * 1e6))


def admit(delivery: Delivery, directory: Directory, copies: CopyCounter) -> None:
    """Fill `entry` and `pieces`. Every event of the message becomes one piece; a message refused whole is one."""
    if delivery.kind is None or delivery.message.retain:
        # A stored message replayed by the broker is no event of now (retain handling 2 asks for none).
        delivery.pieces = [Piece(delivery, None)]
        return
    entry = delivery.entry = directory.get(delivery.device_id)
    lane = _LANES.get(delivery.kind)
    if lane is None:
        _admit_control(delivery)
        return
    decoded = decode(delivery.message.payload, lane, delivery.received)
    problem = _of_publisher(entry)
    if problem is not None:
        decoded = _refuse_whole(decoded, *problem)
    elif entry is not None:
        _admit_events(delivery, entry, decoded, directory, copies)
    for rejection in decoded.rejections:
        delivery.pieces.append(refused_piece(delivery, rejection, copies))


def _of_publisher(entry: DeviceEntry | None) -> tuple[Reason, str] | None:
    if entry is None:
        return "unknown_device", "The registry knows no device of this id."
    if entry.lifecycle == RETIRED:
        return "retired_device", "The device is retired."
    return None


def _admit_control(delivery: Delivery) -> None:
    try:
        content = _read_control(delivery)
        delivery.pieces = [Piece(delivery, content, delivery.key_scope, delivery.device_id)]
    except Refused as refused:
        delivery.pieces = [Piece(delivery, Rejection(None, refused.reason, refused.detail))]


def _read_control(delivery: Delivery) -> control.LinkWord | control.ResultWord:
    problem = _of_publisher(delivery.entry)
    if problem is not None:
        raise Refused(*problem)
    payload = delivery.message.payload
    return control.decode_status(payload) if delivery.kind is Kind.STATUS else control.decode_result(payload)


def _admit_events(
    delivery: Delivery, entry: DeviceEntry, decoded: Decoded, directory: Directory, copies: CopyCounter
) -> None:
    append = delivery.pieces.append
    for event in decoded.events:
        owner = entry
        if event.child is not None and event.child != entry.id:
            child = directory.get(event.child)
            if child is None or child.hub_id != entry.id:
                decoded.rejections.append(
                    refuse(event, "unknown_child", "No such device is registered under this hub.")
                )
                continue
            if child.lifecycle == RETIRED:
                decoded.rejections.append(refuse(event, "retired_device", "The child device is retired."))
                continue
            owner = child
        key = key_of(event, delivery.received)
        insist = key is None
        if key is None:
            key = copies.key(delivery.received, entry.id, event.type.name, event.child or "", content_of(event))
        append(Piece(delivery, event, owner.device_no, owner.id, key, insist))


def refuse(event: Event, reason: Reason, detail: str) -> Rejection:
    """Turn an event that kept the contract into a rejection; a cry for help goes on ringing."""
    rejection = Rejection(event.index, reason, detail, id=event.id, source=event.source)
    if event.type.name in CRIES_FOR_HELP:
        rejection.cries = [Cry(event.type.name, event.at, event.clock_suspect, event.value, event.zone, event.child)]
    return rejection


def _refuse_whole(decoded: Decoded, reason: Reason, detail: str) -> Decoded:
    """One rejection for the message, with every cry that is in it. What could not be read keeps its own reason."""
    if decoded.rejections and decoded.rejections[0].index is None:
        return decoded
    parts = [*decoded.rejections, *(refuse(event, reason, detail) for event in decoded.events)]
    cries = [cry for part in parts for cry in part.cries]
    # A single event gives the message its identity: sent again, it does not ring again.
    only_id = parts[0].id if len(parts) == 1 else None
    return Decoded([], [Rejection(None, reason, detail, id=only_id, cries=cries)])


def refused_piece(delivery: Delivery, rejection: Rejection, copies: CopyCounter) -> Piece:
    """A rejection that rings or came by the alarm lane, which every worker reads, is elected like an event.

    Telemetry without an id has no key: one worker reads it, so each refusal is a dead letter of its own.
    """
    key = None
    insist = False
    if rejection.cries or delivery.kind is Kind.ALARM:
        key = refused_key(delivery.device_id, rejection)
        if key is None and delivery.kind is Kind.ALARM:
            insist = True
            payload = delivery.message.payload[:4096].hex()
            key = copies.key(delivery.received, delivery.device_id, rejection.reason, str(rejection.index), payload)
    return Piece(delivery, rejection, delivery.key_scope, delivery.device_id, key, insist)


def keep_apart(piece: Piece) -> None:
    """A piece that must never count as a repeat gets a key nothing else has."""
    piece.key = unique_key()
