"""received = accepted + duplicate + echo + rejected + ignored + in flight, for each worker and lane, in events.

The totals are written by the transaction that made them true; in flight is counted from what is held and not yet
acknowledged, never by subtraction. Beside the totals each minute of receipt is told how many rows it should hold, which
alerts/platform/accounting.py counts: two numbers of different origin.
"""

from collections import Counter
from collections.abc import Iterable

from core.contract.event import Micros
from core.contract.topics import Kind
from ingest.delivery import RECEIVED, Outcome, Piece

# Births, last wills and results of commands are counted apart from events.
CONTROL = "control"
_LANES = {
    Kind.ALARM: "alarm",
    Kind.TELEMETRY: "telemetry",
    Kind.STATUS: CONTROL,
    Kind.RESULT: CONTROL,
    None: CONTROL,
}

Counts = Counter[tuple[str, str]]


def lane_of(kind: Kind | None) -> str:
    return _LANES[kind]


def count(pieces: Iterable[tuple[Piece, Outcome]]) -> Counts:
    """Events by (lane, outcome), each also as received."""
    found = Counter([(piece.delivery.kind, outcome) for piece, outcome in pieces])
    counts: Counts = Counter()
    for (kind, outcome), events in found.items():
        counts[_LANES[kind], outcome.value] += events
        counts[_LANES[kind], RECEIVED] += events
    return counts


def count_plain(readings: int, repeated: int) -> Counts:
    """The same of plain readings, so many of which were here before."""
    lane = lane_of(Kind.TELEMETRY)
    found = {Outcome.ACCEPTED.value: readings - repeated, Outcome.DUPLICATE.value: repeated, RECEIVED: readings}
    return Counter({(lane, word): events for word, events in found.items() if events})


# (lane, start of a minute of receipt) -> [keys entered, dead letters written].
Minutes = dict[tuple[str, Micros], list[int]]
_MINUTE = 60_000_000
_STORED = (Outcome.ACCEPTED, Outcome.REJECTED)


def minutes(pieces: Iterable[tuple[Piece, Outcome]], received: Micros, *, plain: int = 0) -> Minutes:
    """What the rows of a batch, among them those of so many plain readings, add to each minute. `received` is what its
    keys are stamped with; a dead letter has its own message's."""
    pieces = [(piece, outcome) for piece, outcome in pieces if outcome in _STORED]
    found: Minutes = {}
    entered = Counter([piece.delivery.kind for piece, _ in pieces if piece.key is not None])
    if plain:
        entered[Kind.TELEMETRY] += plain
    for kind, keys in entered.items():
        _at(found, _LANES[kind], received)[0] += keys
    for piece, outcome in pieces:
        if outcome is Outcome.REJECTED:
            _at(found, _LANES[piece.delivery.kind], piece.delivery.received)[1] += 1
    return found


def _at(minutes: Minutes, lane: str, received: Micros) -> list[int]:
    return minutes.setdefault((lane, received - received % _MINUTE), [0, 0])
