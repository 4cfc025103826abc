"""Which pieces are new: the candidates of the election in `event_key`, and what losing it means.

Pure but for what a worker remembers.
"""

from collections import OrderedDict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.contract.event import Rejection
from core.contract.keys import unique_key
from core.contract.topics import Kind
from ingest.delivery import Outcome, Piece

# The publishing device's number, 4 bytes big-endian, and the key: one bytes object sorts and hashes in C, and numbers
# are never negative, so the order is the server's order of (device_no, key).
ScopedKey = bytes


class SeenKeys:
    """The newest alarm keys this worker has met and committed: what tells an echo from a true duplicate."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._keys: OrderedDict[ScopedKey, None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, keys: Iterable[ScopedKey]) -> None:
        for key in keys:
            self._keys[key] = None
            self._keys.move_to_end(key)
        while len(self._keys) > self._limit:
            self._keys.popitem(last=False)


def scoped_key(piece: Piece) -> ScopedKey | None:
    return None if piece.key is None else piece.delivery.key_scope.to_bytes(4, "big") + piece.key


@dataclass(frozen=True, slots=True)
class Candidates:
    """`first`: the number of the first piece of each key, sorted by key: all workers take their locks in one order, so
    none deadlock. `repeats`: the numbers of the others."""

    first: dict[ScopedKey, int]
    repeats: list[int]


def candidates(pieces: Sequence[Piece]) -> Candidates:
    first: dict[ScopedKey, int] = {}
    repeats: list[int] = []
    delivery, scope = None, b""
    for number, piece in enumerate(pieces):
        if piece.key is not None:
            if piece.delivery is not delivery:
                delivery = piece.delivery
                scope = delivery.key_scope.to_bytes(4, "big")
            if first.setdefault(scope + piece.key, number) != number:
                repeats.append(number)
    return Candidates({key: first[key] for key in sorted(first)}, repeats)


def outcomes(
    pieces: Sequence[Piece],
    candidates: Candidates,
    losers: Mapping[int, int],
    *,
    worker: int,
    seen: Container[ScopedKey] = (),
) -> list[Outcome]:
    """The outcome of each piece. `losers`: number of a candidate whose key was there before -> that row's worker.
    `seen`: keys this worker met before, for copies of alarms; telemetry has none."""
    result = [won(piece) for piece in pieces]
    for number in losers:
        piece = pieces[number]
        is_copy = piece.delivery.kind is Kind.ALARM and losers[number] != worker and scoped_key(piece) not in seen
        result[number] = Outcome.ECHO if is_copy else Outcome.DUPLICATE
    for number in candidates.repeats:
        result[number] = Outcome.DUPLICATE
    return result


def renamed(pieces: Sequence[Piece], settled: Sequence[Outcome]) -> list[int]:
    """The numbers of those that lost and insist, for a second election in the same transaction; each has a key of its
    own now. An alarm that names neither id nor time is never taken for a repeat of itself."""
    numbers = [n for n, outcome in enumerate(settled) if outcome is Outcome.DUPLICATE and pieces[n].insist]
    for number in numbers:
        pieces[number].key = unique_key()
    for piece in pieces:
        # Tried again after a commit whose answer was lost, it may find its own row: that is no other press.
        piece.insist = False
    return numbers


def won(piece: Piece) -> Outcome:
    """Its outcome, unless it loses."""
    content = piece.content
    if type(content) is Rejection:
        return Outcome.REJECTED
    return Outcome.IGNORED if content is None else Outcome.ACCEPTED
