"""Readings of one elder over time, and the newest of each metric."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from api.access import Caller, RequestId
from api.database import Db
from api.fields import Moment
from api.history import readings
from api.history.access import require_vitals
from api.history.resolution import MAX_ITEMS, Reading
from api.history.store import Place, place_of
from api.routing import make_router
from api.services import Services
from core.errors import FieldError, Invalid
from core.store.pool import Connection
from history.resolution import Bucket, Resolution
from registry import access_log
from registry.access import Scope

router = make_router("/elders", "readings")

_DEFAULT_SPAN = timedelta(hours=24)
_LATEST_SPAN = timedelta(days=7)
_CLOCKS_AHEAD = timedelta(minutes=5)  # devices may be that far ahead of us (contract §1)


class Value(BaseModel):
    """One reading. `suspect` appears where the device doubted its own value."""

    at: datetime
    value: float
    suspect: Literal[True] | None = None


class Aggregate(BaseModel):
    """The readings of [at, at + resolution)."""

    at: datetime
    min: float
    max: float
    avg: float
    count: int


class Series(BaseModel):
    """Oldest first, at most 5,000 items. `next_from`: ask again with this `from` for the rest; absent: this is all."""

    metric: str
    unit: str = Field(description="1 means a plain count.")
    resolution: Resolution
    items: list[Value] | list[Aggregate]
    next_from: datetime | None = None


class Latest(BaseModel):
    """The newest reading of one metric."""

    metric: str
    unit: str
    at: datetime
    value: float
    suspect: Literal[True] | None = None


class LatestReadings(BaseModel):
    """One item a metric that was heard within the last seven days."""

    items: list[Latest]


async def _place(
    conn: Connection, caller: Scope, elder_id: UUID, fields: list[str], request_id: str, now: datetime
) -> Place:
    """The elder's place, if the caller may read the vitals; that they are read goes on record first."""
    place = await place_of(conn, elder_id)
    require_vitals(caller, place)
    await access_log.record(conn, caller.account_id, "read", "elder", str(elder_id), fields, None, request_id, now)
    return place


@router.get("/{elder_id}/readings", summary="Readings of one metric", response_model=Series)
async def series(
    elder_id: UUID,
    request_id: RequestId,
    conn: Db,
    caller: Caller,
    services: Services,
    metric: Annotated[str, Query(max_length=64, description="A metric of GET /dictionary.")],
    since: Annotated[Moment | None, Query(alias="from", description="Left out: a day before `to`.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Exclusive; left out: now.")] = None,
    resolution: Literal["auto", "raw", "1m", "1h", "1d"] = "auto",
) -> Response:
    """What devices measured while they were bound to this elder. `auto`: the finest that gives at most 5,000 items.

    Days are those of the elder's time zone. Of devices bound to a shared home only readings of the home count.
    """
    now = services.now()
    wanted = readings.metric_named(metric)
    end = until or now + _CLOCKS_AHEAD
    start = since or end - _DEFAULT_SPAN
    if start >= end:
        raise Invalid(FieldError("from", "before_to", "`from` lies before `to`."))
    place = await _place(conn, caller, elder_id, [f"readings.{wanted.name}"], request_id, now)
    chosen = None if resolution == "auto" else Resolution(resolution)
    found = await readings.series(conn, place, wanted, start, end, chosen)
    return Response(written(found), media_type="application/json")


def written(found: readings.Series) -> bytes:
    """The text of `Series`, straight from the rows: thousands of models, each made, checked and read again, cost more
    than the question."""
    document: dict[str, Any] = {
        "metric": found.metric.name,
        "unit": found.metric.unit,
        "resolution": found.resolution,
        "items": [item if isinstance(item, Bucket) else _value(item) for item in found.items],
    }
    if found.next_from is not None:
        document["next_from"] = found.next_from
    return to_json(document)


def _value(reading: Reading) -> dict[str, Any]:
    item: dict[str, Any] = {"at": reading.at, "value": reading.value}
    return {**item, "suspect": True} if reading.suspect else item


@router.get(
    "/{elder_id}/readings/latest", summary="The newest reading of every metric", response_model_exclude_none=True
)
async def latest(elder_id: UUID, request_id: RequestId, conn: Db, caller: Caller, services: Services) -> LatestReadings:
    now = services.now()
    place = await _place(conn, caller, elder_id, ["readings.latest"], request_id, now)
    found = await readings.latest(conn, place, now - _LATEST_SPAN, now + _CLOCKS_AHEAD)
    return LatestReadings(
        items=[
            Latest(metric=m.name, unit=m.unit, at=r.at, value=r.value, suspect=True if r.suspect else None)
            for m, r in found
        ]
    )


assert MAX_ITEMS == 5000, "the contract's number; the descriptions above say it too"
