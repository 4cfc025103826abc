"""Which pieces are new: the candidates of the election in `event_key`, and what losing it means.

Pure but for what a worker remembers.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from core.contract.event import Rejection
from core.contract.topics import Kind
from ingest.delivery import Outcome, Piece

ScopedKey = tuple[int, bytes]


class SeenKeys:
    """The newest alarm keys this worker has met and committed: what tells an echo from a true duplicate."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._keys: OrderedDict[ScopedKey, None] = OrderedDict()

    def __contains__(self, key: ScopedKey) -> bool:
        return key in self._keys

    def add(self, keys: Iterable[ScopedKey]) -> None:
        for key in keys:
            self._keys[key] = None
            self._keys.move_to_end(key)
        while len(self._keys) > self._limit:
            self._keys.popitem(last=False)


def scoped_key(piece: Piece) -> ScopedKey | None:
    return None if piece.key is None else (piece.delivery.key_scope, piece.key)


def candidates(pieces: Sequence[Piece]) -> dict[ScopedKey, int]:
    """The first piece of each key, sorted by key: all workers take their locks in one order, so none deadlock."""
    first: dict[ScopedKey, int] = {}
    for number, piece in enumerate(pieces):
        if piece.key is not None:
            first.setdefault((piece.delivery.key_scope, piece.key), number)
    return dict(sorted(first.items()))


def outcomes(
    pieces: Sequence[Piece],
    first: Mapping[ScopedKey, int],
    losers: Mapping[int, int],
    *,
    worker: int,
    seen: SeenKeys,
) -> list[Outcome]:
    """The outcome of each piece. `losers`: number of a candidate whose key was there before -> that row's worker."""
    result = []
    for number, piece in enumerate(pieces):
        outcome = _won(piece)
        key = scoped_key(piece)
        if key is not None:
            if first[key] != number:
                outcome = Outcome.DUPLICATE
            elif number in losers:
                is_copy = piece.delivery.kind is Kind.ALARM and losers[number] != worker and key not in seen
                outcome = Outcome.ECHO if is_copy else Outcome.DUPLICATE
        result.append(outcome)
    return result


def _won(piece: Piece) -> Outcome:
    if piece.content is None:
        return Outcome.IGNORED
    return Outcome.REJECTED if type(piece.content) is Rejection else Outcome.ACCEPTED
