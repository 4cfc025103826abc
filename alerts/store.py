"""Reading alerts. What a caller may see comes with `scope_params` (alerts/scope.py); nothing here writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from alerts.model import Alert
from alerts.rows import alert_from_row
from alerts.scope import completed
from alerts.vocabulary import Severity, Status
from core.errors import NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry.access import scoped

_SQL = load_queries("alerts")
_SCOPED = {name: scoped(_SQL[name]) for name in ("get", "list", "live")}

# The keyset of a list, newest first: (opened_at, id) of the last row.
ListCursor = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One alert_event as readers get it: `alert` in the contract's form, as it stood after the event."""

    seq: int
    type: str
    at: datetime
    actor_kind: str
    actor_id: str | None
    detail: Mapping[str, Any]
    alert: Mapping[str, Any]
    centre_id: UUID
    region_code: str
    elder_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    seq: int
    type: str
    at: datetime
    actor_kind: str
    actor_id: str | None
    detail: Mapping[str, Any]


async def get(conn: Connection, alert_id: UUID, scope_params: Mapping[str, Any]) -> Alert:
    """Raises NotFound when there is no such alert in this scope."""
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(_SCOPED["get"], {**completed(scope_params), "id": alert_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such alert.")
    return alert_from_row(row)


async def list_(
    conn: Connection,
    scope_params: Mapping[str, Any],
    *,
    status: Sequence[Status] | None = None,
    severity: Sequence[Severity] | None = None,
    elder_id: UUID | None = None,
    cursor: ListCursor | None = None,
    limit: int = 50,
) -> tuple[list[Alert], ListCursor | None]:
    """A page of alerts, newest first, and where the next one begins (None: this was the last)."""
    before_at, before_id = cursor or (None, None)
    given = {
        **completed(scope_params),
        "status": None if status is None else [each.value for each in status],
        "severity": None if severity is None else [each.value for each in severity],
        "elder_id": elder_id,
        "before_at": before_at,
        "before_id": before_id,
        "limit": limit + 1,
    }
    rows = conn.cursor(row_factory=dict_row)
    await rows.execute(_SCOPED["list"], given)
    found = [alert_from_row(row) for row in await rows.fetchall()]
    page = found[:limit]
    return page, (page[-1].opened_at, page[-1].id) if len(found) > limit else None


async def live(conn: Connection, scope_params: Mapping[str, Any]) -> tuple[list[Alert], int]:
    """The live alerts, newest first, and the sequence number they stand at: one consistent snapshot."""
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(_SCOPED["live"], completed(scope_params))
    rows = await cursor.fetchall()
    return [alert_from_row(row) for row in rows if row["id"] is not None], rows[0]["at_seq"]


async def events_after(conn: Connection, seq: int, limit: int) -> list[FeedEvent]:
    """Events with a number above `seq` in order, at most `limit`: without a gap, as far as they are kept."""
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(_SQL["events_after"], {"seq": seq, "limit": limit})
    return [FeedEvent(**{**row, "elder_ids": tuple(row["elder_ids"])}) for row in await cursor.fetchall()]


async def timeline(conn: Connection, alert_id: UUID) -> list[TimelineEntry]:
    """Everything that happened to an alert, oldest first. The caller has checked the scope with `get`."""
    rows = await (await conn.execute(_SQL["timeline"], {"id": alert_id})).fetchall()
    return [TimelineEntry(*row) for row in rows]


async def highest_seq(conn: Connection) -> int:
    """The number of the newest committed event; 0 before the first."""
    row = await (await conn.execute(_SQL["highest_seq"])).fetchone()
    assert row is not None
    return int(row[0])


async def oldest_kept_seq(conn: Connection) -> int:
    """The smallest number that `events_after` can still give; asking from below it would skip events."""
    row = await (await conn.execute(_SQL["oldest_kept_seq"])).fetchone()
    assert row is not None
    return int(row[0])
