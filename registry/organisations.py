"""Organisations, and the centres among them: a centre answers alerts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.errors import NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry.access import Scope
from registry.rows import fetch_all, fetch_one, write_all

_FILE = ("registry", "queries_places.sql")


@dataclass(frozen=True, slots=True)
class Organisation:
    """`org_type` is a word of the field: city_bureau, service_centre, provider, hospital, … (domain 2.2)."""

    id: UUID
    name: str
    org_type: str
    region_code: str
    parent_id: UUID | None = None
    status: str = "operating"


@dataclass(frozen=True, slots=True)
class Centre:
    """`takes_unidentified`: alerts of devices that belong to nobody we know ring here; one centre at most."""

    id: UUID
    name: str
    region_code: str
    hotlines: tuple[str, ...] = field(default=())
    duty_24h: bool = True
    takes_unidentified: bool = False


async def insert(conn: Connection, organisations: Sequence[Organisation], now: datetime) -> None:
    """Add organisations, parents first."""
    rows = [
        {
            "id": each.id,
            "name": each.name,
            "org_type": each.org_type,
            "parent_id": each.parent_id,
            "region_code": each.region_code,
            "status": each.status,
            "now": now,
        }
        for each in organisations
    ]
    await write_all(conn, load_queries(*_FILE)["insert_organisation"], rows)


async def insert_centres(conn: Connection, centres: Sequence[Centre], now: datetime) -> None:
    """Add centres together with the organisations they are."""
    await insert(conn, [Organisation(each.id, each.name, "service_centre", each.region_code) for each in centres], now)
    rows = [
        {
            "id": each.id,
            "hotlines": list(each.hotlines),
            "duty_24h": each.duty_24h,
            "takes_unidentified": each.takes_unidentified,
        }
        for each in centres
    ]
    await write_all(conn, load_queries(*_FILE)["insert_centre"], rows)


async def centre(conn: Connection, scope: Scope, centre_id: UUID) -> Centre:
    """Raises NotFound, also for a centre outside the scope."""
    row = await fetch_one(conn, load_queries(*_FILE)["centre"], {"id": centre_id})
    if row is None or not scope.sees(row["id"], row["region_code"], ()):
        raise NotFound("There is no such centre.")
    return Centre(**{**row, "hotlines": tuple(row["hotlines"])})


async def centres(conn: Connection, scope: Scope) -> list[Centre]:
    """The centres in scope, by name."""
    rows = await fetch_all(conn, load_queries(*_FILE)["centres"])
    found = [Centre(**{**row, "hotlines": tuple(row["hotlines"])}) for row in rows]
    return [each for each in found if scope.sees(each.id, each.region_code, ())]
