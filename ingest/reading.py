"""A plain reading, which nearly all telemetry is made of: judged straight to its rows.

A number of a known type within its range, with a time of its own that is inside the window, of the publisher or of an
active child of it, and with nothing else said about it. Whatever is not that, or might not be, is judged event by event
by the contract's own table (`ingest.admission`); tests/unit/ingest/test_plain.py holds that both ways say the same of
every message. Objects are what costs (docs/benchmarks.md): a plain reading is one tuple and two rows, never an Event.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from alerts.intake import RULED_TYPES
from core.contract.event import Micros
from core.contract.event_check import MAX_ID_CHARS
from core.contract.event_time import NEWEST, OLDEST, parse_time
from core.contract.keys import key_of_id, key_of_time, number_content
from core.contract.whose import RETIRED
from core.domain.event_types import EVENT_TYPES, EventType, Lane, Storage
from core.domain.metrics import METRIC_BY_NAME
from core.domain.values import Number
from ingest import rows
from registry.directory import DeviceEntry

# Its place in the message, device_no and device_id of whose it is, when it was measured, its row of key_stage and its
# row of reading. A tuple, because nearly every event is one.
Reading = tuple[int, int, str, Micros, bytes, bytes]

# What the current state of a device is made of, beside when it spoke.
_STATED = frozenset({"battery", "worn"})

# (metric, lowest, highest, types of number)
_Form = tuple[int, float, float, tuple[type, ...]]


def _form_of(event_type: EventType) -> _Form | None:
    name, shape = event_type.name, event_type.shape
    if event_type.storage is not Storage.READING or event_type.lane is not Lane.TELEMETRY:
        return None
    if type(shape) is not Number or event_type.metrics != ((name, None),):
        return None
    if name in RULED_TYPES or name in _STATED:
        return None
    return METRIC_BY_NAME[name].number, shape.low, shape.high, (int,) if shape.integer else (int, float)


_FORMS = {each.name: form for each in EVENT_TYPES if (form := _form_of(each)) is not None}

# A hub says many readings of one moment. Longer texts are no times, and would make the cache as large as they are long.
_LONGEST_TIME = 64
_time = lru_cache(maxsize=4096)(parse_time)

Find = Callable[[str], DeviceEntry | None]


def plain_reading(
    source: Any, index: int, publisher: DeviceEntry, key_opening: bytes, received: Micros, find: Find
) -> Reading | None:
    """None: it is not plain. `key_opening`: see `rows.key_opening`; `find` knows the devices."""
    if type(source) is not dict:
        return None
    get: Callable[[str], Any] = source.get
    name = get("type")
    form = _FORMS.get(name) if type(name) is str else None
    if form is None or get("zone") is not None or get("quality") is not None:
        return None
    metric, low, high, kinds = form
    value, written = get("value"), get("at")
    if type(value) not in kinds or not low <= value <= high or type(written) is not str:
        return None
    if len(written) > _LONGEST_TIME:
        return None
    at = _time(written)
    if at is None or not -OLDEST <= at - received <= NEWEST:
        return None
    owner, child = publisher, get("device")
    if child is not None and child != publisher.id:
        found = find(child) if type(child) is str else None
        if found is None or found.hub_id != publisher.id or found.lifecycle == RETIRED:
            return None
        owner = found
    event_id = get("id")
    if event_id is None:
        key = key_of_time(at, name, child, number_content(value))
    elif type(event_id) is str and 1 <= len(event_id) <= MAX_ID_CHARS and event_id.isprintable():
        key = key_of_id(event_id)
    else:
        return None
    number = owner.device_no
    return index, number, owner.id, at, key_opening + key, rows.reading_row(number, metric, at, value, False)
