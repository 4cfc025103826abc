"""Rejections as rows of dead_letter. Pure.

Each is a row of its own, but for what was above a device's rate: a device that floods at 1,000 events a second for
hours must cost neither the disk nor its neighbours' time, so all its excess within a batch is kept together, in one
message that can be replayed like any other. `events` says how many rejections a row stands for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from core.contract.event import Micros, Rejection
from core.contract.event_time import instant
from core.contract.json_text import MAX_BYTES, to_bytes
from core.domain.ids import new_id
from ingest import rows
from ingest.delivery import Delivery, Piece

RATE_LIMITED = "rate_limited"
_MINUTE: Micros = 60_000_000
# Kept well below what a message may hold (256 KiB, 1,000 events), so that a replay can read it.
_GATHERED_BYTES = 128 * 1024
_GATHERED_EVENTS = 500


@dataclass(slots=True)
class _Gathered:
    first: Piece
    sources: list[bytes] = field(default_factory=list)
    size: int = 0


class DeadLetter(NamedTuple):
    """A row of dead_letter, in the order of COPY."""

    received: Micros
    id: UUID
    topic: str
    device_id: str | None
    lane: str
    event_index: int | None
    reason: str
    detail: str
    payload: bytes
    events: int


def dead_letter_rows(refused: Iterable[tuple[Piece, Rejection]]) -> list[bytes]:
    """Rows in binary COPY form."""
    return [_packed(letter) for letter in dead_letters(refused)]


def dead_letters(refused: Iterable[tuple[Piece, Rejection]]) -> list[DeadLetter]:
    letters: list[DeadLetter] = []
    gathering: dict[tuple[Any, ...], _Gathered] = {}
    for piece, rejection in refused:
        source = to_bytes(rejection.source) if rejection.index is not None else None
        if rejection.reason != RATE_LIMITED or source is None:
            payload = piece.delivery.message.payload if source is None else _alone(source, rejection, piece.delivery)
            letters.append(_letter(piece.delivery, rejection.index, rejection, rejection.detail, payload, 1))
            continue
        # The same minute, because the accounts are by minute; the same sent_at, because it may be an event's only time.
        delivery = piece.delivery
        group = (delivery.message.topic, delivery.sent_at, delivery.received // _MINUTE)
        kept = gathering.setdefault(group, _Gathered(piece))
        kept.sources.append(source)
        kept.size += len(source)
        if kept.size > _GATHERED_BYTES or len(kept.sources) >= _GATHERED_EVENTS:
            letters.append(_gathered(gathering.pop(group)))
    return letters + [_gathered(kept) for kept in gathering.values()]


def _gathered(kept: _Gathered) -> DeadLetter:
    piece = kept.first
    rejection = piece.content
    assert type(rejection) is Rejection
    if len(kept.sources) == 1:
        payload = _alone(kept.sources[0], rejection, piece.delivery)
        return _letter(piece.delivery, rejection.index, rejection, rejection.detail, payload, 1)
    detail = f"{len(kept.sources)} events were above the device's rate."
    payload = _message(kept.sources, piece.delivery.sent_at)
    return _letter(piece.delivery, None, rejection, detail, payload, len(kept.sources))


def _alone(source: bytes, rejection: Rejection, delivery: Delivery) -> bytes:
    """The event; with the message's time around it, if it has none of its own."""
    timeless = type(rejection.source) is dict and rejection.source.get("at") is None
    return _message([source], delivery.sent_at) if timeless and delivery.sent_at is not None else source


def _message(sources: Sequence[bytes], sent_at: Micros | str | None) -> bytes:
    stated = instant(sent_at).isoformat() if isinstance(sent_at, int) else sent_at
    head = b"" if stated is None else b'"sent_at":' + (to_bytes(stated) or b"null") + b","
    return b"{" + head + b'"events":[' + b",".join(sources) + b"]}"


def _letter(
    delivery: Delivery, index: int | None, rejection: Rejection, detail: str, payload: bytes, events: int
) -> DeadLetter:
    return DeadLetter(
        delivery.received,
        new_id(instant(delivery.received)),
        delivery.message.topic,
        delivery.device_id or None,
        delivery.kind.value if delivery.kind is not None else "",
        index,
        rejection.reason,
        detail,
        payload[:MAX_BYTES],
        events,
    )


def _packed(letter: DeadLetter) -> bytes:
    return rows.row(
        rows.time(letter.received),
        rows.uuid(letter.id),
        rows.text(letter.topic),
        rows.maybe(rows.text, letter.device_id),
        rows.text(letter.lane),
        rows.maybe(rows.int4, letter.event_index),
        rows.text(letter.reason),
        rows.text(letter.detail),
        rows.raw(letter.payload),
        rows.int4(letter.events),
    )
