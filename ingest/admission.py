"""Whose message it is: the publishing device, its children, their life cycle; then the key of every piece.

Pure, but for the counter of nameless alarms. Rate limits per effective device belong into `_judge`.
"""

from dataclasses import replace

from core.contract import control
from core.contract.codec import decode
from core.contract.event import Cry, Decoded, Event, Reason, Refused, Rejection
from core.contract.keys import CopyCounter, content_of, key_of, refused_key
from core.contract.topics import Kind, parse_topic
from core.domain.event_types import CRIES_FOR_HELP, Lane
from core.runtime.mqtt import Message
from ingest.delivery import Delivery, Piece
from registry.directory import DeviceEntry, Directory

RETIRED = "retired"
_LANES = {Kind.ALARM: Lane.ALARM, Kind.TELEMETRY: Lane.TELEMETRY}


def delivery_of(message: Message) -> Delivery:
    """Who sent it and when it was received; nothing of the payload yet."""
    device_id, kind = parse_topic(message.topic) or ("", None)
    return Delivery(message, device_id, kind, int(message.received_at * 1e6))


def admit(delivery: Delivery, directory: Directory) -> None:
    """Fill `entry`, `pieces` and `stranger`, no keys yet: it may be repeated with a newer directory.

    Every event of the message becomes one piece; a message refused whole is one.
    """
    delivery.stranger, delivery.pieces = False, []
    if delivery.kind is None or delivery.message.retain:
        # A stored message replayed by the broker is no event of now (retain handling 2 asks for none).
        delivery.pieces = [Piece(delivery, None)]
        return
    entry = delivery.entry = directory.get(delivery.device_id)
    delivery.stranger = entry is None
    lane = _LANES.get(delivery.kind)
    if lane is None:
        delivery.pieces = [_control_piece(delivery)]
        return
    decoded = decode(delivery.message.payload, lane, delivery.received)
    problem = _of_publisher(entry)
    if problem is not None:
        decoded = _refuse_whole(decoded, *problem)
    if entry is not None:
        delivery.pieces = [_judge(delivery, entry, event, directory) for event in decoded.events]
    delivery.pieces += [Piece(delivery, rejection) for rejection in decoded.rejections]
    for piece in delivery.pieces:
        if type(piece.content) is Rejection and piece.content.cries:
            piece.content.cries = [_whose(cry, delivery.device_id, directory) for cry in piece.content.cries]


def assign_keys(delivery: Delivery, copies: CopyCounter) -> None:
    """Once a delivery, in the order of receipt: the counter of nameless alarms counts each."""
    for piece in delivery.pieces:
        if type(piece.content) is Event:
            _key_event(piece, piece.content, copies)
        elif type(piece.content) is Rejection:
            _key_rejection(piece, piece.content, copies)


def _of_publisher(entry: DeviceEntry | None) -> tuple[Reason, str] | None:
    if entry is None:
        return "unknown_device", "The registry knows no device of this id."
    if entry.lifecycle == RETIRED:
        return "retired_device", "The device is retired."
    return None


def _control_piece(delivery: Delivery) -> Piece:
    try:
        return Piece(delivery, _read_control(delivery), delivery.key_scope, delivery.device_id)
    except Refused as refused:
        return Piece(delivery, Rejection(None, refused.reason, refused.detail))


def _read_control(delivery: Delivery) -> control.LinkWord | control.ResultWord:
    problem = _of_publisher(delivery.entry)
    if problem is not None:
        raise Refused(*problem)
    payload = delivery.message.payload
    return control.decode_status(payload) if delivery.kind is Kind.STATUS else control.decode_result(payload)


def _judge(delivery: Delivery, entry: DeviceEntry, event: Event, directory: Directory) -> Piece:
    """The event as the row of the device it is about, or refused."""
    owner = entry
    if event.child is not None and event.child != entry.id:
        child = directory.get(event.child)
        if child is None or child.hub_id != entry.id:
            delivery.stranger = True
            return Piece(delivery, refuse(event, "unknown_child", "No such device is registered under this hub."))
        if child.lifecycle == RETIRED:
            return Piece(delivery, refuse(event, "retired_device", "The child device is retired."))
        owner = child
    return Piece(delivery, event, owner.device_no, owner.id)


def _whose(cry: Cry, publisher: str, directory: Directory) -> Cry:
    """A refused cry of a known child is its elder's, not the hub's."""
    child = directory.get(cry.child) if cry.child is not None else None
    if child is None or child.hub_id != publisher:
        return cry
    return replace(cry, device_id=child.id, device_no=child.device_no)


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


def _key_event(piece: Piece, event: Event, copies: CopyCounter) -> None:
    delivery = piece.delivery
    piece.key = key_of(event, delivery.received)
    if piece.key is None:
        piece.insist = True
        content = (event.type.name, event.child or "", content_of(event))
        piece.key = copies.key(delivery.received, delivery.device_id, *content)


def _key_rejection(piece: Piece, rejection: Rejection, copies: CopyCounter) -> None:
    """A rejection that rings or came by the alarm lane, which every worker reads, is elected like an event.

    Telemetry without an id has no key: one worker reads it, so each refusal is a dead letter of its own.
    """
    delivery = piece.delivery
    if not rejection.cries and delivery.kind is not Kind.ALARM:
        return
    piece.key = refused_key(delivery.device_id, rejection)
    if piece.key is None and delivery.kind is Kind.ALARM:
        piece.insist = True
        content = (rejection.reason, str(rejection.index), delivery.message.payload[:4096].hex())
        piece.key = copies.key(delivery.received, delivery.device_id, *content)
