"""The reading side: buckets of one series, exact at every moment, whether or not the roller runs. Nothing here writes.

Which hours are dirty is asked before the tables are read, so a late reading that was committed before the question is
in the answer: its hour is either still dirty (raw readings are read) or repaired.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.store.pool import Connection
from core.store.queries import load_queries
from history.cover import Known, Piece, cover
from history.days import midnights
from history.resolution import WIDTHS, Bucket, Resolution, floor

_SQL = load_queries("history")

# Pieces of one table further apart than this are asked for one by one: a statement pays for every chunk between them.
_TOGETHER = {
    Resolution.RAW: timedelta(days=2),
    Resolution.MINUTE: timedelta(days=14),
    Resolution.HOUR: timedelta(days=90),
    Resolution.DAY: timedelta.max,
}
_TABLES = {
    Resolution.RAW: "reading",
    Resolution.MINUTE: "reading_1m",
    Resolution.HOUR: "reading_1h",
    Resolution.DAY: "(SELECT * FROM reading_1d WHERE time_zone = %(zone)s)",
}


@dataclass(frozen=True, slots=True)
class DeviceSpan:
    """[since, until) in which a device spoke for the one who is asked about."""

    device_no: int
    since: datetime
    until: datetime


@dataclass(slots=True)
class _Tally:
    min: float
    max: float
    sum: float
    count: int

    def add(self, low: float, high: float, total: float, count: int) -> None:
        self.min, self.max = min(self.min, low), max(self.max, high)
        self.sum += total
        self.count += count


@dataclass(slots=True)
class _Question:
    metric: int
    resolution: Resolution
    zone: str
    edges: Sequence[datetime]
    known: Known
    dirty: Mapping[int, list[datetime]] = field(default_factory=dict)

    def pieces(self, spans: Sequence[DeviceSpan]) -> dict[Resolution, list[tuple[int, Piece]]]:
        """(device, piece) by table, in the order of time."""
        found: dict[Resolution, list[tuple[int, Piece]]] = {}
        for span in spans:
            dirty = self.dirty.get(span.device_no, [])
            for piece in cover(span.since, span.until, self.resolution, self.known, dirty, self.edges):
                found.setdefault(piece.source, []).append((span.device_no, piece))
        for each in found.values():
            each.sort(key=lambda pair: pair[1].since)
        return found


async def buckets(
    conn: Connection, spans: Sequence[DeviceSpan], metric: int, resolution: Resolution, zone: str, limit: int
) -> list[Bucket]:
    """The first `limit` buckets of the spans, oldest first. `resolution` is none of raw; `zone` makes the days."""
    if not spans:
        return []
    since, until = min(span.since for span in spans), max(span.until for span in spans)
    edges = midnights(since, until, ZoneInfo(zone)) if resolution is Resolution.DAY else []
    question = _Question(metric, resolution, zone, edges, await _known(conn, zone))
    question.dirty = await _dirty_hours(conn, spans, metric, since, until)
    found: list[Bucket] = []
    window = limit * WIDTHS[resolution]
    while since < until and len(found) < limit:
        # Window after window, each larger: a page of a long series does not read what the next pages show.
        end = until if until - since <= window else _step(since + window, resolution, edges)
        found += await _within(conn, spans, question, since, end, limit - len(found))
        since, window = end, window * 4
    return found


async def at_least(
    conn: Connection, spans: Sequence[DeviceSpan], metric: int, resolution: Resolution, limit: int
) -> int:
    """How many buckets the spans have at least, counted no further than `limit`: cheap, 0 where nothing is known."""
    if not spans:
        return 0
    width = WIDTHS[resolution]
    ranges = [(span.device_no, span.since, span.until - width) for span in spans]
    params = {**_ranges(ranges), "metric": metric, "limit": limit}
    rows = await _fetch(conn, _SQL["count_rolled"].replace(":table", _TABLES[resolution]), params)
    return int(rows[0][0] or 0)


async def _known(conn: Connection, zone: str) -> Known:
    return Known(*(await _fetch(conn, _SQL["known"], {"zone": zone}))[0])


async def _dirty_hours(
    conn: Connection, spans: Sequence[DeviceSpan], metric: int, since: datetime, until: datetime
) -> dict[int, list[datetime]]:
    params = {
        "devices": sorted({span.device_no for span in spans}),
        "metric": metric,
        "since": floor(since, WIDTHS[Resolution.HOUR]),
        "until": until,
    }
    found: dict[int, list[datetime]] = {}
    for device_no, hour in await _fetch(conn, _SQL["dirty_hours"], params):
        found.setdefault(device_no, []).append(hour)
    return found


def _step(at: datetime, resolution: Resolution, edges: Sequence[datetime]) -> datetime:
    """The newest beginning of a bucket that is not after `at`."""
    if resolution is Resolution.DAY:
        return edges[bisect_right(edges, at) - 1]
    return floor(at, WIDTHS[resolution])


async def _within(
    conn: Connection,
    spans: Sequence[DeviceSpan],
    question: _Question,
    since: datetime,
    until: datetime,
    limit: int,
) -> list[Bucket]:
    inside = [DeviceSpan(s.device_no, max(s.since, since), min(s.until, until)) for s in spans]
    tallies: dict[datetime, _Tally] = {}
    for source, pieces in question.pieces(inside).items():
        for group in _together(pieces, _TOGETHER[source]):
            for at, low, high, total, count in await _ask(conn, question, source, group, limit):
                if (tally := tallies.get(at)) is None:
                    tallies[at] = _Tally(low, high, total, count)
                else:
                    tally.add(low, high, total, count)
    first = sorted(tallies.items())[:limit]
    return [Bucket(at, tally.min, tally.max, tally.sum / tally.count, tally.count) for at, tally in first]


def _together(pieces: Sequence[tuple[int, Piece]], gap: timedelta) -> list[list[tuple[int, Piece]]]:
    groups: list[list[tuple[int, Piece]]] = []
    until: datetime | None = None
    for pair in pieces:
        if until is None or pair[1].since - until > gap:
            groups.append([])
        groups[-1].append(pair)
        until = pair[1].until if until is None else max(until, pair[1].until)
    return groups


async def _ask(
    conn: Connection, question: _Question, source: Resolution, pieces: Sequence[tuple[int, Piece]], limit: int
) -> list[tuple[Any, ...]]:
    """(bucket, min, max, sum, count) of the pieces, the first `limit` buckets."""
    ranges = [(device_no, piece.since, piece.until) for device_no, piece in pieces]
    params = {**_ranges(ranges), "metric": question.metric, "zone": question.zone, "limit": limit}
    if source is question.resolution:
        bucket = "r.at"
    elif question.resolution is Resolution.DAY:
        bucket = _SQL["bucket_of_day"]
        first, last = bisect_right(question.edges, params["low"]) - 1, bisect_left(question.edges, params["high"])
        params["edges"] = list(question.edges[first:last])
    else:
        bucket = _SQL["bucket_of_width"]
        params["width"] = WIDTHS[question.resolution]
    statement = _SQL["sum_raw" if source is Resolution.RAW else "sum_rolled"]
    return await _fetch(conn, statement.replace(":table", _TABLES[source]).replace(":bucket", bucket), params)


def _ranges(ranges: Sequence[tuple[int, datetime, datetime]]) -> dict[str, Any]:
    """The ranges as columns, and the bounds of them all: with these the planner leaves out every other chunk."""
    devices, since, until = (list(column) for column in zip(*ranges, strict=True))
    return {"devices": devices, "since": since, "until": until, "low": min(since), "high": max(until)}


async def _fetch(conn: Connection, statement: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    # Never prepared: a plan for any time would open every chunk there is.
    cursor = await conn.execute(statement.encode(), params, prepare=False)
    return await cursor.fetchall()
