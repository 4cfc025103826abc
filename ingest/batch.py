"""What a lane commits at once."""

from collections import Counter
from dataclasses import dataclass, field

from ingest.accounting import Counts
from ingest.delivery import Delivery, Piece
from ingest.plain import PlainReadings, dissolve


@dataclass(slots=True)
class Batch:
    """`raw`: taken while the database was away, so nothing was judged by the registry and there are no events."""

    deliveries: list[Delivery] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    plain: PlainReadings = field(default_factory=PlainReadings)
    dropped: Counts = field(default_factory=Counter)
    raw: bool = False

    @property
    def events(self) -> int:
        return len(self.pieces) + len(self.plain)

    @property
    def in_hand(self) -> int:
        """Events, also of a batch that is still being judged; messages where nothing was judged."""
        if self.raw:
            return len(self.deliveries)
        return sum(len(delivery.pieces) + len(delivery.readings) for delivery in self.deliveries)

    @property
    def unsettled(self) -> list[Piece]:
        """The pieces that have no outcome yet."""
        return [piece for piece in self.pieces if piece.outcome is None]

    def gather(self) -> None:
        """What the deliveries hold, once all of them are judged, let through and keyed."""
        self.pieces = [piece for delivery in self.deliveries for piece in delivery.pieces]
        self.plain = PlainReadings(self.deliveries)

    def dissolve(self) -> None:
        """Every plain reading becomes a piece: from here on each is settled by itself."""
        self.pieces = dissolve(self.deliveries) + self.pieces
        self.plain = PlainReadings()
