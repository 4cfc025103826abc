"""Local days as instants: 23 or 25 hours long where the clock is changed, and they may begin off the whole hour."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


# A year of days is asked for again and again; this holds thirty years of it.
@lru_cache(maxsize=11_000)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When `day` begins there, in UTC. Where the clock leaps over midnight: when it leaps."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def midnights(since: datetime, until: datetime, zone: ZoneInfo) -> list[datetime]:
    """The ascending edges of all local days that have a part in [since, until): one more than there are days."""
    day = since.astimezone(zone).date()
    edges = [midnight(day, zone)]
    while edges[-1] > since:  # the hour that the clock repeats around a midnight belongs to the day before
        day -= _DAY
        edges = [midnight(day, zone)]
    while edges[-1] < until:
        day += _DAY
        edge = midnight(day, zone)
        if edge > edges[-1]:  # a day that the calendar leaves out begins and ends with its neighbour
            edges.append(edge)
    return edges


def day_of(at: datetime, edges: Sequence[datetime]) -> tuple[datetime, datetime]:
    """The edges of the day that holds `at`. `edges` are `midnights` of a span with `at` in it."""
    place = bisect_right(edges, at)
    return edges[place - 1], edges[place]
