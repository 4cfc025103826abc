"""Which messages of a connection are not acknowledged yet, and in what order their acknowledgements go out.

MQTT asks for them in the order of receipt. Mosquitto also searches its list of messages in flight from the oldest on:
an acknowledgement that runs ahead of thousands of older ones costs it a walk over all of these. Two workers, each of
which acknowledged at once what was not its own, took a whole core of the broker that way (docs/benchmarks.md).
"""

from collections import deque
from collections.abc import Iterable


class Unacked:
    """Packet ids in order of receipt. An id comes again only after its acknowledgement went out."""

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._held: set[int] = set()
        self._early: set[int] = set()

    def __len__(self) -> int:
        return len(self._order)

    def add(self, packet_id: int) -> bool:
        """False: it is in hand already. MQTT 5 forbids a broker to send it again on one connection, and some do;
        taken twice, its second acknowledgement would be that of the message that gets the id next."""
        if packet_id in self._held:
            return False
        self._order.append(packet_id)
        self._held.add(packet_id)
        return True

    def release(self, packet_ids: Iterable[int]) -> list[int]:
        """These may be acknowledged. Answers whose turn it is: they and earlier ones, as far as none is missing.

        An id that is not in hand is ignored: kept, it would acknowledge the message that gets this id next.
        """
        order, held, early, due = self._order, self._held, self._early, list[int]()
        for packet_id in packet_ids:
            if packet_id in held:
                early.add(packet_id)
        while order and order[0] in early:
            packet_id = order.popleft()
            held.remove(packet_id)
            early.remove(packet_id)
            due.append(packet_id)
        return due
