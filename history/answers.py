"""The reading side: buckets of one series, exact at every moment, whether or not the roller runs. Nothing here writes.

Which hours are dirty is asked before the tables are read, so a late reading that was committed before the question is
in the answer: its hour is either still dirty (raw readings are read) or repaired.

A person waits for each statement twice, in the server's planner and in the API's event loop, and either is more than
what the rows of a year cost: so what is known is asked once for all resolutions, and all tables in one statement.
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
from history.resolution import HOUR, WIDTHS, Bucket, Resolution, floor

_SQL = load_queries("history")

# Pieces of one table further apart than this are parts of their own: a part pays for every chunk between them.
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
# Where there are readings all the time, the newest of a long time are enough to see that there are too many.
_NEAR = 1.1


@dataclass(frozen=True, slots=True)
class DeviceSpan:
    """[since, until) in which a device spoke for the one who is asked about."""

    device_no: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """One metric of those devices, with what the roll-ups know of it: made by `question`. `zone` makes the days."""

    spans: Sequence[DeviceSpan]
    metric: int
    zone: str
    known: Known = field(default_factory=Known)
    dirty: Mapping[int, list[datetime]] = field(default_factory=dict)

    @property
    def since(self) -> datetime:
        return min(span.since for span in self.spans)

    @property
    def until(self) -> datetime:
        return max(span.until for span in self.spans)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A question at one resolution, with the midnights of its days."""

    question: Question
    resolution: Resolution
    edges: Sequence[datetime]

    def pieces(self, spans: Sequence[DeviceSpan]) -> dict[Resolution, list[tuple[int, Piece]]]:
        """(device, piece) by table, in the order of time."""
        found: dict[Resolution, list[tuple[int, Piece]]] = {}
        for span in spans:
            dirty = self.question.dirty.get(span.device_no, [])
            known = self.question.known
            for piece in cover(span.since, span.until, self.resolution, known, dirty, self.edges):
                found.setdefault(piece.source, []).append((span.device_no, piece))
        for each in found.values():
            each.sort(key=lambda pair: pair[1].since)
        return found


async def question(
    conn: Connection, spans: str, params: Mapping[str, Any], metric: int, zone: str, since: datetime, until: datetime
) -> Question:
    """Ask it before the tables are read, raw readings among them.

    `spans`, with `params`, is a CTE "span" of (device_no, since, until) within [since, until): whose devices they are
    is the caller's to know, and asking that alone would be one more round trip.
    """
    asked = {**params, "metric": metric, "zone": zone, "hours_from": floor(since, HOUR), "hours_to": until}
    rows = await _fetch(conn, _SQL["known"].replace(":spans", spans), asked)
    known = Known(*rows[0][:6])
    found: list[DeviceSpan] = []
    dirty: dict[int, list[datetime]] = {}
    for device_no, begin, end, has_days, hours in (row[6:] for row in rows if row[6] is not None):
        span = DeviceSpan(device_no, begin, end)
        if hours:
            dirty[device_no] = hours
        else:
            span = _without_silence(span, known, has_days)
        if span.since < span.until:
            found.append(span)
    return Question(found, metric, zone, known, dirty)


def _without_silence(span: DeviceSpan, known: Known, has_days: bool) -> DeviceSpan:
    """What the days say was silent is not looked at in finer tables: in a home of ten sensors one measures the pulse,
    and the hour in which each of the others was put up would be read from two more tables.

    Nothing can be lost: a device without a day, from the one before its span on, and without a mark has no reading
    before the end of the days.
    """
    if has_days or span.since < known.days_from:
        return span
    return DeviceSpan(span.device_no, max(span.since, known.days_up_to), span.until)


async def buckets(conn: Connection, asked: Question, resolution: Resolution, limit: int) -> list[Bucket]:
    """The first `limit` buckets of the spans, oldest first. `resolution` is none of raw."""
    if not asked.spans:
        return []
    since, until = asked.since, asked.until
    edges = midnights(since, until, ZoneInfo(asked.zone)) if resolution is Resolution.DAY else []
    answer = _Answer(asked, resolution, edges)
    found: list[Bucket] = []
    window = limit * WIDTHS[resolution]
    while since < until and len(found) < limit:
        # Window after window, each larger: a page of a long series does not read what the next pages show.
        end = until if until - since <= window else _step(since + window, resolution, edges)
        found += await _within(conn, answer, since, end, limit - len(found))
        since, window = end, window * 4
    return found


async def at_least(conn: Connection, asked: Question, resolution: Resolution, limit: int) -> int:
    """How many buckets the spans have at least, counted no further than `limit`: cheap, 0 where nothing is known.

    Spans too short to hold `limit` buckets are not counted at all. `resolution` is none of raw.
    """
    width = WIDTHS[resolution]
    spans = [span for span in asked.spans if span.until - span.since >= (limit - 1) * width]
    if not spans:
        return 0
    near = max(span.until for span in spans) - limit * width * _NEAR
    newest = [DeviceSpan(s.device_no, max(s.since, near), s.until) for s in spans if s.until > near]
    found = await _count(conn, asked, resolution, newest, limit)
    return found if found >= limit or newest == spans else await _count(conn, asked, resolution, spans, limit)


async def _count(
    conn: Connection, asked: Question, resolution: Resolution, spans: Sequence[DeviceSpan], limit: int
) -> int:
    ranges = [(span.device_no, span.since, span.until - WIDTHS[resolution]) for span in spans]
    params = {**_ranges(ranges), "metric": asked.metric, "zone": asked.zone, "limit": limit}
    rows = await _fetch(conn, _SQL["count_rolled"].replace(":table", _TABLES[resolution]), params)
    return int(rows[0][0] or 0)


def _step(at: datetime, resolution: Resolution, edges: Sequence[datetime]) -> datetime:
    """The newest beginning of a bucket that is not after `at`."""
    if resolution is Resolution.DAY:
        return edges[bisect_right(edges, at) - 1]
    return floor(at, WIDTHS[resolution])


async def _within(conn: Connection, answer: _Answer, since: datetime, until: datetime, limit: int) -> list[Bucket]:
    spans = answer.question.spans
    inside = [DeviceSpan(s.device_no, max(s.since, since), min(s.until, until)) for s in spans]
    parts = [
        _part(answer, source, group, limit)
        for source, pieces in answer.pieces(inside).items()
        for group in _together(pieces, _TOGETHER[source])
    ]
    if not parts:
        return []
    # In one round trip, each part with parameters of its own name.
    named = [statement.replace("%(", f"%(p{number}_") for number, (statement, _) in enumerate(parts)]
    params = {f"p{number}_{name}": value for number, (_, of) in enumerate(parts) for name, value in of.items()}
    statement = _SQL["joined"].replace(":parts", "\nUNION ALL\n".join(f"({each})" for each in named))
    return [Bucket(*row) for row in await _fetch(conn, statement, {**params, "limit": limit})]


def _together(pieces: Sequence[tuple[int, Piece]], gap: timedelta) -> list[list[tuple[int, Piece]]]:
    groups: list[list[tuple[int, Piece]]] = []
    until: datetime | None = None
    for pair in pieces:
        if until is None or pair[1].since - until > gap:
            groups.append([])
        groups[-1].append(pair)
        until = pair[1].until if until is None else max(until, pair[1].until)
    return groups


def _part(
    answer: _Answer, source: Resolution, pieces: Sequence[tuple[int, Piece]], limit: int
) -> tuple[str, dict[str, Any]]:
    """A statement for (bucket, min, max, sum, count) of the pieces, the first `limit` buckets; and its parameters."""
    ranges = [(device_no, piece.since, piece.until) for device_no, piece in pieces]
    params = {**_ranges(ranges), "metric": answer.question.metric, "limit": limit}
    if source is Resolution.DAY:
        params["zone"] = answer.question.zone
    if source is answer.resolution:
        bucket = "r.at"
    elif answer.resolution is Resolution.DAY:
        bucket = _SQL["bucket_of_day"]
        first, last = bisect_right(answer.edges, params["low"]) - 1, bisect_left(answer.edges, params["high"])
        params["edges"] = list(answer.edges[first:last])
    else:
        bucket = _SQL["bucket_of_width"]
        params["width"] = WIDTHS[answer.resolution]
    statement = _SQL["sum_raw" if source is Resolution.RAW else "sum_rolled"]
    return statement.replace(":table", _TABLES[source]).replace(":bucket", bucket), params


def _ranges(ranges: Sequence[tuple[int, datetime, datetime]]) -> dict[str, Any]:
    """The ranges as columns, and the bounds of them all: with these the planner leaves out every other chunk."""
    devices, since, until = (list(column) for column in zip(*ranges, strict=True))
    return {"devices": devices, "since": since, "until": until, "low": min(since), "high": max(until)}


async def _fetch(conn: Connection, statement: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    # Never prepared: a plan for any time would open every chunk there is.
    cursor = await conn.execute(statement.encode(), params, prepare=False)
    return await cursor.fetchall()
