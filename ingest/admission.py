"""Whose message it is: the publishing device, its children, their life cycle; then the key of every piece.

Of an active device's telemetry what is plain becomes readings (`ingest.reading`), the rest pieces.

Pure, but for the counter of nameless alarms. What is above a device's rate is refused by `ingest.throttle`.
"""

from core.contract import control
from core.contract.codec import decode, open_message
from core.contract.event import Decoded, Event, Refused, Rejection
from core.contract.event_check import check_event
from core.contract.keys import CopyCounter, counted_refusal_key, event_key, refused_key
from core.contract.topics import Kind, parse_topic
from core.contract.whose import attributed, owner_of, publisher_problem, refuse_whole
from core.domain.event_types import Lane
from core.runtime.mqtt import Message
from ingest import rows
from ingest.delivery import Delivery, Piece
from ingest.reading import plain_reading
from registry.directory import DeviceEntry, Directory

_LANES = {Kind.ALARM: Lane.ALARM, Kind.TELEMETRY: Lane.TELEMETRY}


def delivery_of(message: Message) -> Delivery:
    """Who sent it and when it was received; nothing of the payload yet."""
    device_id, kind = parse_topic(message.topic) or ("", None)
    return Delivery(message, device_id, kind, int(message.received_at * 1e6))


def admit(delivery: Delivery, directory: Directory, *, plainly: bool = False) -> None:
    """Fill `entry`, `pieces` and `stranger`, no keys yet: it may be repeated with a newer directory.

    Every event of the message becomes one piece or, `plainly`, one of the `readings`; a message refused whole is one
    piece.
    """
    delivery.stranger, delivery.pieces, delivery.readings = False, [], []
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
    problem = publisher_problem(entry)
    if plainly and problem is None and lane is Lane.TELEMETRY:
        assert entry is not None
        decoded = _without_plain(delivery, entry, directory)
    else:
        decoded = decode(delivery.message.payload, lane, delivery.received)
    if decoded is None:
        return
    delivery.sent_at = decoded.sent_at
    if problem is not None:
        decoded = refuse_whole(decoded, *problem)
    delivery.pieces = _judged(delivery, entry, decoded, directory)


def _without_plain(delivery: Delivery, entry: DeviceEntry, directory: Directory) -> Decoded | None:
    """What is left of the message when its plain readings are taken; None when nothing is."""
    received, find, readings = delivery.received, directory.get, delivery.readings
    try:
        sources, sent_at = open_message(delivery.message.payload)
    except Refused as refused:
        return Decoded([], [Rejection(None, refused.reason, refused.detail)])
    delivery.sent_at = sent_at
    key_opening = rows.key_opening(entry.device_no)
    left: Decoded | None = None
    for index, source in enumerate(sources):
        reading = plain_reading(source, index, entry, key_opening, received, find)
        if reading is not None:
            readings.append(reading)
        else:
            left = left or Decoded([], [], sent_at)
            left.add(check_event(source, index, Lane.TELEMETRY, received, sent_at))
    return left


def _judged(delivery: Delivery, entry: DeviceEntry | None, decoded: Decoded, directory: Directory) -> list[Piece]:
    pieces: list[Piece] = []
    if entry is not None:
        for event in decoded.events:
            if event.child is None:
                pieces.append(Piece(delivery, event, entry.device_no, entry.id))
            else:
                pieces.append(_judge_child(delivery, entry, event, directory))
    pieces += [Piece(delivery, rejection) for rejection in decoded.rejections]
    for piece in pieces:
        if type(piece.content) is Rejection and piece.content.cries:
            piece.content.cries = [attributed(cry, delivery.device_id, directory.get) for cry in piece.content.cries]
    return pieces


def assign_keys(delivery: Delivery, copies: CopyCounter) -> None:
    """Once a delivery, in the order of receipt: the counter of nameless alarms counts each."""
    device_id, received = delivery.device_id, delivery.received
    for piece in delivery.pieces:
        content = piece.content
        if type(content) is Event:
            piece.key, piece.insist = event_key(content, device_id, received, copies)
        elif type(content) is Rejection:
            _key_rejection(piece, content, copies)


def _control_piece(delivery: Delivery) -> Piece:
    try:
        return Piece(delivery, _read_control(delivery), delivery.key_scope, delivery.device_id)
    except Refused as refused:
        return Piece(delivery, Rejection(None, refused.reason, refused.detail))


def _read_control(delivery: Delivery) -> control.LinkWord | control.ResultWord:
    problem = publisher_problem(delivery.entry)
    if problem is not None:
        raise Refused(*problem)
    payload = delivery.message.payload
    return control.decode_status(payload) if delivery.kind is Kind.STATUS else control.decode_result(payload)


def _judge_child(delivery: Delivery, entry: DeviceEntry, event: Event, directory: Directory) -> Piece:
    """The event as the row of the child it names, or refused."""
    owner = owner_of(event, entry, directory.get)
    if type(owner) is Rejection:
        delivery.stranger = delivery.stranger or owner.reason == "unknown_child"
        return Piece(delivery, owner)
    assert isinstance(owner, DeviceEntry)
    return Piece(delivery, event, owner.device_no, owner.id)


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
        payload = delivery.message.payload
        piece.key = counted_refusal_key(rejection, delivery.device_id, delivery.received, payload, copies)
