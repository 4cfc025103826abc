"""What happened around one elder: device events and alerts in one order, newest first."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from alerts import catalogue
from api.access import Caller, RequestId
from api.database import Db
from api.history import timeline
from api.history.access import may_read_alerts, may_read_vitals, require_any
from api.history.store import AlertRow, EventRow, place_of
from api.pagination import CursorText, Limit, Page
from api.routing import make_router
from api.services import Services
from registry import access_log

router = make_router("/elders", "timeline")


class EventItem(BaseModel):
    """Something a device said, by the device's own time."""

    kind: Literal["event"] = "event"
    id: str
    at: datetime
    type: str
    value: Any
    device_id: str
    zone: str | None
    suspect: bool
    clock_suspect: bool


class AlertItem(BaseModel):
    """An alert, by the time it was opened."""

    kind: Literal["alert"] = "alert"
    id: UUID
    at: datetime
    alert_no: int
    rule: str
    severity: str
    status: str
    title: str
    title_en: str
    presses: int
    close_code: str | None


TimelineItem = Annotated[EventItem | AlertItem, Field(discriminator="kind")]


@router.get("/{elder_id}/timeline", summary="Events and alerts in one order")
async def elder_timeline(
    elder_id: UUID,
    request_id: RequestId,
    conn: Db,
    caller: Caller,
    services: Services,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Page[TimelineItem]:
    """Newest first. Events for those who may read the elder's vitals, alerts for those who may read alerts."""
    now = services.now()
    place = await place_of(conn, elder_id)
    require_any(caller, place)
    await access_log.record(
        conn, caller.account_id, "read", "elder", str(elder_id), ["timeline"], None, request_id, now
    )
    found = await timeline.page(
        conn, place, cursor, limit,
        events=may_read_vitals(caller, place), alerts=may_read_alerts(caller, place), now=now,
    )  # fmt: skip
    return Page(items=[_item(row) for row in found.items], next_cursor=found.next_cursor)


def _item(row: EventRow | AlertRow) -> EventItem | AlertItem:
    if isinstance(row, EventRow):
        return EventItem(
            id=row.id, at=row.at, type=row.type, value=row.value, device_id=row.device_id, zone=row.zone,
            suspect=row.suspect, clock_suspect=row.clock_suspect,
        )  # fmt: skip
    return AlertItem(
        id=row.alert_id, at=row.at, alert_no=row.alert_no, rule=row.rule, severity=row.severity, status=row.status,
        title=row.title, title_en=catalogue.title(row.rule, "en"), presses=row.presses, close_code=row.close_code,
    )  # fmt: skip
