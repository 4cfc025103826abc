"""What makes an event the same event again: 16 bytes, unique per publishing device (docs/adr/0003-event-key.md).

id given            the id
at given            type, child, at and content
neither, telemetry  type, child and content in steps of 10 s of the receive time
neither, alarm      the same and how many of it this worker has seen in the step: two workers that get copies of one
                    publish count alike and elect one winner, two presses in a row are two events
refused             the id (apart from those of accepted events, so that a repaired event may still come in), else
                    as an alarm, for what must be told once: a cry for help and anything on the alarm lane
"""

import json
import secrets
from hashlib import blake2b

from core.contract.event import Event, Micros, Rejection
from core.contract.event_time import SECOND

KEY_BYTES = 16
STEP: Micros = 10 * SECOND


def key_of(event: Event, received: Micros) -> bytes | None:
    """The key of an accepted event; None for an alarm with neither id nor at (see `CopyCounter`)."""
    if event.id is not None:
        return key_of_id(event.id)
    if event.stated_at is not None:
        return key_of_time(event.stated_at, event.type.name, event.child, content_of(event))
    if event.type.lane == "alarm":
        return None
    return _digest("c", str(received // STEP), event.type.name, event.child, content_of(event))


def key_of_id(event_id: str) -> bytes:
    """The key of every event that names an id, for whoever asks for it by that id."""
    return _hashed(f"i\0{event_id}")


def key_of_time(stated_at: Micros | str, type_name: str, child: str | None, content: str) -> bytes:
    """The key of every event that names no id but a time."""
    return _hashed(f"a\0{stated_at}\0{type_name}\0{child or ''}\0{content}")


def content_of(event: Event) -> str:
    """Canonical JSON of [value, zone]. Plain numbers, by far the most, are written down without the encoder."""
    value = event.value
    if event.zone is None and (type(value) is int or type(value) is float):
        return number_content(value)
    return _canonical([value, event.zone])


def number_content(value: float) -> str:
    """`content_of` an event that has this value and no zone."""
    return f"[{value!r},null]"


def refused_key(device_id: str, rejection: Rejection) -> bytes | None:
    """The key of a refused event by its id; None when it has none. The device may be unknown: its id is part."""
    return None if rejection.id is None else _digest("r", device_id, rejection.reason, rejection.id)


def event_key(event: Event, device_id: str, received: Micros, copies: "CopyCounter") -> tuple[bytes, bool]:
    """The key of an accepted event, and whether it was counted: such a key may differ from another listener's."""
    if (key := key_of(event, received)) is not None:
        return key, False
    return copies.key(received, device_id, event.type.name, event.child or "", content_of(event)), True


def counted_refusal_key(
    rejection: Rejection, device_id: str, received: Micros, payload: bytes, copies: "CopyCounter"
) -> bytes:
    """The key of a refusal on the alarm lane that has no id."""
    return copies.key(received, device_id, rejection.reason, str(rejection.index), payload[:4096].hex())


def unique_key() -> bytes:
    """The key of something that is never a duplicate."""
    return secrets.token_bytes(KEY_BYTES)


def _digest(kind: str, *parts: str | None) -> bytes:
    return _hashed("\0".join([kind, *[part or "" for part in parts]]))


def _hashed(text: str) -> bytes:
    # A refused child or payload may hold lone surrogates; accepted ones never do.
    raw = text.encode() if text.isascii() else text.encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=KEY_BYTES).digest()


# Made once: json.dumps with options makes an encoder for each call.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class CopyCounter:
    """Keys for alarms that name neither id nor at: content, step and ordinal within the step.

    The ordinal is only right when this worker saw the step from its start. Where it cannot know (it was started
    within the step, the clock went back, too many to remember) the key is unique: an alarm told twice does less harm
    than one taken for another's copy.
    """

    def __init__(self, started: Micros, *, limit: int = 100_000) -> None:
        self._step = started // STEP
        self._blind_until = self._step
        self._limit = limit
        self._seen: dict[bytes, int] = {}

    def key(self, received: Micros, device_id: str, *content: str) -> bytes:
        step = received // STEP
        if step > self._step:
            self._step = step
            self._seen.clear()
        if step < self._step or step <= self._blind_until or len(self._seen) >= self._limit:
            return unique_key()
        digest = _digest("n", str(step), device_id, *content)
        ordinal = self._seen[digest] = self._seen.get(digest, 0) + 1
        return _digest("o", digest.hex(), str(ordinal))
