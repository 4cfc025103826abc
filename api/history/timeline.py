"""Events and alerts of one elder in one order, newest first, with a cursor that no later row disturbs.

Order: time, then an id that differs for any two rows, so that a page never splits or repeats what happened at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.history import store
from api.history.store import AlertRow, EventRow, Place
from api.pagination import bad_cursor, read_cursor, write_cursor
from core.store.pool import Connection

Row = EventRow | AlertRow

# Above every id, so that the first page begins with what happens at this very instant; `~` sorts after all ids.
_NEWEST_ID = "~~"
_DEVICE_CLOCKS_AHEAD = timedelta(minutes=5)  # contract: events up to five minutes in the future are accepted


@dataclass(frozen=True, slots=True)
class TimelinePage:
    items: list[Row]
    next_cursor: str | None


async def page(
    conn: Connection, place: Place, cursor: str | None, limit: int, *, events: bool, alerts: bool, now: datetime
) -> TimelinePage:
    """At most `limit` rows below `cursor`. `events`, `alerts`: which of them the caller may see.

    Raises Invalid for a cursor that is none of ours.
    """
    start = (now + _DEVICE_CLOCKS_AHEAD, _NEWEST_ID) if cursor is None else read_position(cursor)
    found: list[Row] = []
    if events:
        found += await store.events_before(conn, place, start, limit + 1)
    if alerts:
        found += await store.alerts_before(conn, place, start, limit + 1)
    return merge(found, limit)


def merge(rows: Sequence[Row], limit: int) -> TimelinePage:
    """The newest `limit` of rows that come from several places, and where the next page begins."""
    ordered = sorted(rows, key=lambda row: (row.at, row.id), reverse=True)
    kept = ordered[:limit]
    return TimelinePage(kept, write_position(kept[-1]) if len(ordered) > limit else None)


def write_position(row: Row) -> str:
    return write_cursor(row.at.astimezone(UTC).isoformat(), row.id)


def read_position(cursor: str) -> tuple[datetime, str]:
    """Raises Invalid for anything write_position never wrote."""
    text, id = read_cursor(cursor, 2)
    if not isinstance(text, str) or not isinstance(id, str) or not id.isprintable():
        raise bad_cursor()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise bad_cursor() from None
    if at.tzinfo is None:
        raise bad_cursor()
    return at, id
