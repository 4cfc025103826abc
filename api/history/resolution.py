"""Where an answer is cut: pure. It holds at most MAX_ITEMS items, so a chart never waits for a million points."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from history.resolution import Bucket

MAX_ITEMS = 5000


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value; `suspect` as the device said."""

    at: datetime
    value: float
    suspect: bool = False


Item = TypeVar("Item", Reading, Bucket)


def cut(items: Sequence[Item], limit: int = MAX_ITEMS) -> tuple[list[Item], datetime | None]:
    """At most `limit` items in time order, and the time from which to ask for the rest (None: that was all).

    Items of one instant stay together, unless there are more than `limit` of them.
    """
    if len(items) <= limit:
        return list(items), None
    rest = items[limit].at
    kept = [item for item in items[:limit] if item.at < rest]
    if kept:
        return kept, rest
    return list(items[:limit]), rest + timedelta(microseconds=1)
