"""The plain readings of a batch, and the way back to the usual one."""

from collections.abc import Iterable

from core.contract.codec import open_message
from core.contract.event import Event, Micros
from core.contract.event_check import check_event
from core.domain.event_types import Lane
from ingest import rows
from ingest.delivery import Delivery, Piece
from ingest.liveness import Sighted
from ingest.reading import Reading


def pieces_of(delivery: Delivery, readings: Iterable[Reading]) -> list[Piece]:
    """These readings of the message as the usual way makes them, for what only that way can do."""
    sources, sent_at = open_message(delivery.message.payload)
    pieces: list[Piece] = []
    for index, number, device_id, _, key, _ in readings:
        event = check_event(sources[index], index, Lane.TELEMETRY, delivery.received, sent_at)
        assert type(event) is Event
        pieces.append(Piece(delivery, event, number, device_id, rows.key_in(key)))
    return pieces


class PlainReadings:
    """Those of a batch, as columns; a reading's number is its place in them."""

    def __init__(self, deliveries: Iterable[Delivery] = ()) -> None:
        self.keys: list[bytes] = []
        """Rows of key_stage: they sort and compare as the keys do."""
        self.rows: list[bytes] = []
        self.ats: list[Micros] = []
        self.seen = Sighted()
        self.received: Micros = 0
        """Of the oldest of them."""
        self._spans: list[tuple[Delivery, int]] = []
        self._take(deliveries)

    def __len__(self) -> int:
        return len(self.rows)

    def _take(self, deliveries: Iterable[Delivery]) -> None:
        spoke, said, keys, rows_, ats = self.seen.spoke, self.seen.said, self.keys, self.rows, self.ats
        for delivery in deliveries:
            if not delivery.readings:
                continue
            received = delivery.received
            if not keys or received < self.received:
                self.received = received
            if delivery.message.response_topic is not None:
                self._spans.append((delivery, len(keys)))
            spoke[delivery.key_scope] = received
            for _, number, _, at, key, row in delivery.readings:
                keys.append(key)
                rows_.append(row)
                ats.append(at)
                spoke[number] = received
                if at > said.get(number, 0):
                    said[number] = at

    def repeated(self, taken: set[bytes]) -> set[int]:
        """The numbers of those whose key is among `taken`, or was an earlier reading's."""
        lost, met = set(), set(taken)
        for number, key in enumerate(self.keys):
            if key in met:
                lost.add(number)
            met.add(key)
        return lost

    def settle(self, repeated: set[int]) -> None:
        """They are committed: tell the messages that ask for a receipt how many of theirs were repeats."""
        for delivery, start in self._spans:
            mine = range(start, start + len(delivery.readings))
            delivery.repeated = sum(number in repeated for number in mine) if repeated else 0


NO_READINGS = PlainReadings()


def dissolve(deliveries: Iterable[Delivery]) -> list[Piece]:
    """All plain readings of these messages as pieces, which are settled one by one; the messages keep none."""
    made: list[Piece] = []
    for delivery in deliveries:
        if delivery.readings:
            pieces = pieces_of(delivery, delivery.readings)
            delivery.readings = []
            delivery.pieces = pieces + delivery.pieces
            made += pieces
    return made
