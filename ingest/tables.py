"""What a batch's winners become: rows of reading, event, position and dead_letter. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from core.contract.event import Event, Micros, Rejection
from core.contract.event_time import SECOND
from core.contract.json_text import to_bytes
from core.domain.event_types import EVENT_TYPES, Storage
from core.domain.metrics import METRIC_BY_NAME
from ingest import rows
from ingest.dead_letters import dead_letter_rows
from ingest.delivery import Outcome, Piece
from ingest.plain import PlainReadings

# Type name -> (metric number, member of the value) of each row a reading becomes.
_METRICS = {
    event_type.name: tuple((METRIC_BY_NAME[name].number, member) for name, member in event_type.metrics)
    for event_type in EVENT_TYPES
    if event_type.storage is Storage.READING
}


_HOUR = 3600 * SECOND


@dataclass(slots=True)
class Tables:
    """Rows in binary COPY form by table. `late`: device_no, metric and hour of readings that the roll-ups passed."""

    late: set[tuple[int, int, Micros]] = field(default_factory=set)
    reading: list[bytes] = field(default_factory=list)
    event: list[bytes] = field(default_factory=list)
    position: list[bytes] = field(default_factory=list)
    dead_letter: list[bytes] = field(default_factory=list)


def tables_of(pieces: Iterable[tuple[Piece, Outcome]], closed_up_to: Micros) -> Tables:
    """Rows of everything accepted or rejected; duplicates, echoes and what is ignored leave none.

    A reading before `closed_up_to` is late: the roll-ups of its hour must be computed again.
    """
    tables = Tables()
    refused: list[tuple[Piece, Rejection]] = []
    for piece, outcome in pieces:
        content = piece.content
        if outcome is Outcome.REJECTED:
            assert type(content) is Rejection
            refused.append((piece, content))
        elif outcome is Outcome.ACCEPTED and type(content) is Event:
            assert piece.device_no is not None
            storage = content.type.storage
            if storage is Storage.READING:
                _store_reading(tables, piece.device_no, content, closed_up_to)
            elif storage is Storage.EVENT:
                tables.event.append(_event_row(piece.device_no, piece, content))
            else:
                tables.position.append(_position_row(piece.device_no, content))
    tables.dead_letter = dead_letter_rows(refused)
    return tables


def add_plain(tables: Tables, plain: PlainReadings, repeated: Collection[int], closed_up_to: Micros) -> None:
    """The rows of all but the repeated ones."""
    new = plain.rows
    if repeated:
        new = [row for number, row in enumerate(plain.rows) if number not in repeated]
    tables.reading += new
    for number, at in enumerate(plain.ats):
        if at < closed_up_to and number not in repeated:
            tables.late.add((*rows.spot_of(plain.rows[number]), at - at % _HOUR))


def _store_reading(tables: Tables, device_no: int, event: Event, closed_up_to: Micros) -> None:
    value, at, suspect = event.value, event.at, event.suspect
    for number, member in _METRICS[event.type.name]:
        measured = value if member is None else value.get(member)
        if measured is not None:
            tables.reading.append(rows.reading_row(device_no, number, at, measured, suspect))
            if at < closed_up_to:
                tables.late.add((device_no, number, at - at % _HOUR))


def _event_row(device_no: int, piece: Piece, event: Event) -> bytes:
    assert piece.key is not None
    return rows.row(
        rows.int4(device_no),
        rows.time(event.at),
        rows.time(piece.delivery.received),
        rows.text(event.type.name),
        rows.maybe(rows.jsonb, None if event.value is None else to_bytes(event.value)),
        rows.maybe(rows.text, event.zone),
        rows.raw(piece.key),
        rows.boolean(event.suspect),
        rows.boolean(event.clock_suspect),
    )


def _position_row(device_no: int, event: Event) -> bytes:
    value = event.value
    return rows.row(
        rows.int4(device_no),
        rows.time(event.at),
        rows.float8(value["lat"]),
        rows.float8(value["lng"]),
        rows.maybe(rows.float4, value.get("accuracy_m")),
        rows.maybe(rows.text, value.get("source")),
    )
