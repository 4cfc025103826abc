"""What was published against what is stored and what rang. Pure: the tests plant losses and doubles and see them found.

receipt_missing   the platform said it is stored, and it is not: the promise that must never break
stored_twice      one event id, two rows
not_alerted       an SOS with a receipt or a row but without an alert event, in the table or on the console; and one
                  whose publisher waits for a receipt and that never rang at all
alerted_twice     one SOS id that opened or pressed twice, in the table or (under two numbers) on the console
puback_missing    the broker acknowledged it to a publisher that trusts that, and it is not stored
unanswered        a publisher that waits for receipts got none by the end: nothing is lost, but something is stuck
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from simulators.chaos.ledger import Published

ZERO = ("receipt_missing", "stored_twice", "not_alerted", "alerted_twice")
"""What must be nought whatever is killed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """`readings`: event time in microseconds → rows. `sos`, `alert_events`: key → rows."""

    keys: AbstractSet[str]
    readings: Mapping[int, int]
    sos: Mapping[str, int]
    alert_events: Mapping[str, int]

    def rows(self, message: Published) -> int:
        """Rows of a message; without its key none counts: the two are written in one transaction."""
        rows = self.sos.get(message.key, 0) if message.sos else self.readings.get(message.at, 0)
        return rows if message.key in self.keys else 0


@dataclass(slots=True)
class Differences:
    """The messages of each fault found, for the count and for who looks for the cause."""

    receipt_missing: list[Published] = field(default_factory=list)
    stored_twice: list[Published] = field(default_factory=list)
    not_alerted: list[Published] = field(default_factory=list)
    alerted_twice: list[Published] = field(default_factory=list)
    puback_missing: list[Published] = field(default_factory=list)
    unanswered: list[Published] = field(default_factory=list)
    rejected: list[Published] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in self.__slots__}

    @property
    def clean(self) -> bool:
        """Nothing to wait for and nothing wrong."""
        return not any(self.counts.values())


def compare(published: Iterable[Published], stored: Stored, heard: Mapping[str, int]) -> Differences:
    """`heard`: key of an SOS → how often it opened or pressed on the live stream, a frame sent again not counted."""
    found = Differences()
    for message in published:
        rows = stored.rows(message)
        if message.receipted and not rows:
            found.receipt_missing.append(message)
        if rows > 1:
            found.stored_twice.append(message)
        if message.way == "plain" and message.puback and not rows:
            found.puback_missing.append(message)
        if message.way != "plain" and not message.receipted and message.rejected is None:
            found.unanswered.append(message)
        if message.rejected is not None:
            found.rejected.append(message)
        if message.sos:
            _judge_alert(found, message, rows, stored.alert_events.get(message.key, 0), heard.get(message.key, 0))
    return found


def _judge_alert(found: Differences, message: Published, rows: int, events: int, frames: int) -> None:
    owed = message.receipted or rows > 0 or message.way != "plain"
    if owed and not (events and frames):
        found.not_alerted.append(message)
    if events > 1 or frames > 1:
        found.alerted_twice.append(message)
