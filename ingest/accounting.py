"""received = accepted + duplicate + echo + rejected + ignored + in flight, for each worker and lane, in events.

The totals are written by the transaction that made them true; in flight is counted from what is held and not yet
acknowledged, never by subtraction.
"""

from collections import Counter
from collections.abc import Iterable

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
    counts: Counts = Counter()
    for piece, outcome in pieces:
        lane = _LANES[piece.delivery.kind]
        counts[lane, outcome.value] += 1
        counts[lane, RECEIVED] += 1
    return counts
