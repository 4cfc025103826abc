"""What a lane commits at once."""

from collections import Counter
from dataclasses import dataclass, field

from ingest.accounting import Counts
from ingest.delivery import Delivery, Piece


@dataclass(slots=True)
class Batch:
    """`raw`: taken while the database was away, so nothing was judged by the registry and there are no pieces."""

    deliveries: list[Delivery] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    dropped: Counts = field(default_factory=Counter)
    raw: bool = False
