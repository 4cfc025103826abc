"""The database side of the history: readings, buckets, events and alerts of one elder. Nothing here commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from api.history.resolution import Reading
from core.errors import NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from history.answers import Question, question

_SQL = load_queries("api.history")
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an elder lives; `alone`: nobody else lives in that dwelling."""

    id: UUID
    centre_id: UUID
    region_code: str
    time_zone: str
    dwelling_id: UUID | None
    alone: bool


@dataclass(frozen=True, slots=True)
class Span:
    """[since, until) of one elder; `with_dwelling`: devices bound to the dwelling count too."""

    place: Place
    since: datetime
    until: datetime
    with_dwelling: bool = True

    def params(self) -> dict[str, Any]:
        return {
            "elder_id": self.place.id,
            "dwelling_id": self.place.dwelling_id if self.with_dwelling else None,
            "since": self.since,
            "until": self.until,
        }


@dataclass(frozen=True, slots=True)
class EventRow:
    at: datetime
    id: str
    type: str
    value: Any
    device_id: str
    zone: str | None
    suspect: bool
    clock_suspect: bool


@dataclass(frozen=True, slots=True)
class AlertRow:
    at: datetime
    id: str
    alert_id: UUID
    alert_no: int
    rule: str
    severity: str
    status: str
    title: str
    presses: int
    close_code: str | None


async def place_of(conn: Connection, elder_id: UUID) -> Place:
    """Raises NotFound. The caller checks the scope: api/history/access.py."""
    cursor = conn.cursor(row_factory=class_row(Place))
    await cursor.execute(_SQL["elder_place"].encode(), {"elder_id": elder_id})
    place = await cursor.fetchone()
    if place is None:
        raise NotFound("There is no such elder.")
    return place


async def asked(conn: Connection, span: Span, metric: int) -> Question:
    """Which devices spoke for the elder within the span, when, and what the roll-ups know of them."""
    return await question(conn, _SQL["spans"], span.params(), metric, span.place.time_zone, span.since, span.until)


async def raw_readings(conn: Connection, span: Span, metric: int, limit: int) -> list[Reading]:
    rows = await _fetch(conn, "readings_raw", {**span.params(), "metric": metric, "limit": limit})
    return [Reading(*row) for row in rows]


async def latest_readings(
    conn: Connection, span: Span, metrics: Sequence[int], home_metrics: Sequence[int]
) -> dict[int, Reading]:
    """The newest reading of each metric within the span."""
    params = {**span.params(), "metrics": list(metrics), "home_metrics": list(home_metrics), "alone": span.place.alone}
    rows = await _fetch(conn, "latest_readings", params)
    return {metric: Reading(at, value, suspect) for metric, at, value, suspect in rows}


async def events_before(conn: Connection, place: Place, cursor: tuple[datetime, str], limit: int) -> list[EventRow]:
    """Events below the cursor (time, id), newest first."""
    params = {**Span(place, _FIRST, _LAST).params(), **_below(cursor), "limit": limit}
    return [EventRow(*row) for row in await _fetch(conn, "events_before", params)]


async def alerts_before(conn: Connection, place: Place, cursor: tuple[datetime, str], limit: int) -> list[AlertRow]:
    """Alerts that concerned the elder, below the cursor (time, id), newest first."""
    params = {"elder_id": place.id, **_below(cursor), "limit": limit}
    return [AlertRow(*row) for row in await _fetch(conn, "alerts_before", params)]


def _below(cursor: tuple[datetime, str]) -> dict[str, Any]:
    return {"cursor_at": cursor[0], "cursor_id": cursor[1]}


async def _fetch(conn: Connection, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    statement = _SQL[name].replace(":spans", _SQL["spans"])
    return await (await conn.execute(statement.encode(), params)).fetchall()
