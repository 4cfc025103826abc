"""Elders: enrol, find, read masked, change, and reveal with a reason that goes on record."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.access import Caller, RequestId
from api.database import Db
from api.fields import Line
from api.pagination import CursorText, Limit, Page
from api.routing import make_router
from api.services import Services
from core.store.pool import Connection
from registry import elders, regions
from registry.elder_model import Elder, NewElder

router = make_router("/elders", "elders")

Gender = Literal["female", "male", "unknown"]
ElderStatus = Literal["home", "away", "hospital", "institution", "paused"]
Enrolment = Literal["pending", "active", "suspended", "moved_out", "deceased"]
RegionCode = Annotated[str, Field(pattern=r"^[0-9]{12}$", description="Twelve digits, padded with zeros.")]
Phone = Annotated[str, Field(min_length=3, max_length=25)]
IdNo = Annotated[str, Field(min_length=18, max_length=18)]


class ElderIn(BaseModel):
    """A person to enrol. Name, phone and identity number are encrypted before they are stored."""

    model_config = ConfigDict(extra="forbid")

    name: Line
    gender: Gender
    birth_date: date
    region_code: RegionCode
    centre_id: UUID
    living_arrangement: Line = Field(description="living_alone, empty_nest, left_behind, with_family, …")
    phone: Phone | None = None
    id_no: IdNo | None = None
    household_id: UUID | None = None
    elder_status: ElderStatus = "home"
    enrolment: Enrolment = "active"


class ElderChange(BaseModel):
    """The fields to change; what is left out stays. Only phone, id_no and household_id may become null."""

    model_config = ConfigDict(extra="forbid")

    name: Line | None = None
    gender: Gender | None = None
    birth_date: date | None = None
    region_code: RegionCode | None = None
    centre_id: UUID | None = None
    living_arrangement: Line | None = None
    phone: Phone | None = None
    id_no: IdNo | None = None
    household_id: UUID | None = None
    elder_status: ElderStatus | None = None
    enrolment: Enrolment | None = None
    version: int | None = Field(None, description="The version this change starts from; another one is 409.")

    @field_validator(
        "name", "gender", "birth_date", "region_code", "centre_id", "living_arrangement", "elder_status", "enrolment",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _not_emptied(cls, value: object) -> object:
        if value is None:
            raise ValueError("this cannot be null")
        return value


class ElderOut(BaseModel):
    """An elder, masked: 张*芳, 138****1234, the building. `time_zone`: the clock of the elder's days."""

    id: UUID
    elder_no: int
    name: str | None
    phone: str | None
    id_no: str | None
    building: str | None
    gender: str
    birth_date: date
    region_code: str
    time_zone: str
    centre_id: UUID
    household_id: UUID | None
    dwelling_id: UUID | None
    living_arrangement: str
    elder_status: str
    enrolment: str
    version: int
    created_at: datetime
    updated_at: datetime
    erased: bool


class RevealIn(BaseModel):
    """What to show unmasked, and why."""

    model_config = ConfigDict(extra="forbid")

    fields: list[Literal["name", "phone", "address", "door_access", "id_no"]] = Field(min_length=1, max_length=5)
    reason: Line


class Revealed(BaseModel):
    """The fields asked for; null: not known. `recorded`: the access log names the caller and the reason."""

    fields: dict[str, str | None]
    recorded: Literal[True] = True


async def _out(conn: Connection, found: list[Elder]) -> list[ElderOut]:
    zones = {code: (await regions.zone_of(conn, code)).key for code in {elder.region_code for elder in found}}
    return [ElderOut(**asdict(elder), time_zone=zones[elder.region_code]) for elder in found]


@router.post("", status_code=201, summary="Enrol an elder")
async def create(body: ElderIn, request_id: RequestId, conn: Db, caller: Caller, services: Services) -> ElderOut:
    """Admin, or operators and supervisors for their own centre."""
    new = NewElder(**body.model_dump())
    made = await elders.create(conn, services.keyring, caller, new, services.now(), request_id=request_id)
    return (await _out(conn, [made]))[0]


@router.get("", summary="Find elders in scope")
async def find(
    request_id: RequestId,
    conn: Db,
    caller: Caller,
    services: Services,
    q: Annotated[str | None, Query(max_length=80, description="Name, piece of a name, phone, id or elder no.")] = None,
    enrolment: Enrolment | None = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Page[ElderOut]:
    """Masked, oldest enrolment first. That somebody searched, and in which fields, goes on record; the words do not."""
    found = await elders.list_(
        conn, services.keyring, caller, services.now(), q=q, enrolment=enrolment, cursor=cursor, limit=limit,
        names=services.names, request_id=request_id,
    )  # fmt: skip
    return Page(items=await _out(conn, found.items), next_cursor=found.next_cursor)


@router.get("/{elder_id}", summary="One elder, masked")
async def get(elder_id: UUID, request_id: RequestId, conn: Db, caller: Caller, services: Services) -> ElderOut:
    found = await elders.get(conn, services.keyring, caller, elder_id, services.now(), request_id=request_id)
    return (await _out(conn, [found]))[0]


@router.patch("/{elder_id}", summary="Change an elder")
async def change(
    elder_id: UUID, body: ElderChange, request_id: RequestId, conn: Db, caller: Caller, services: Services
) -> ElderOut:
    """Admin, or operators and supervisors of the elder's centre."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    expected = changes.pop("version", None)
    changed = await elders.update(
        conn, services.keyring, caller, elder_id, changes, services.now(),
        expected_version=expected, request_id=request_id,
    )  # fmt: skip
    return (await _out(conn, [changed]))[0]


@router.post("/{elder_id}/reveal", summary="Show masked fields, for a reason")
async def reveal(
    elder_id: UUID, body: RevealIn, request_id: RequestId, conn: Db, caller: Caller, services: Services
) -> Revealed:
    """Operators, supervisors, admin; the identity number for admin only."""
    opened = await elders.reveal(
        conn, services.keyring, caller, elder_id, body.fields, body.reason, services.now(),
        request_id=request_id,
    )  # fmt: skip
    return Revealed(fields=opened)
