"""Regions: the administrative tree, each node with its IANA time zone (days and schedules are local, design 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import FieldError, Invalid, NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import region_codes
from registry.region_codes import Level
from registry.rows import Row, fetch_all, fetch_one, write_all

_FILE = ("registry", "queries_places.sql")


@dataclass(frozen=True, slots=True)
class Region:
    """`time_zone` is never inherited: a county may keep another clock than its province, so each row says its own."""

    code: str
    name: str
    time_zone: str
    urban_rural: str | None = None
    valid_from: date = date(1949, 10, 1)
    valid_to: date | None = None
    replaced_by: str | None = None

    @property
    def level(self) -> Level:
        return region_codes.level(self.code)

    @property
    def parent_code(self) -> str | None:
        return region_codes.parent(self.code)


def check(region: Region, *, allow_test_region: bool) -> None:
    """Raises Invalid for a malformed code, an unknown time zone, or an invented region where none are allowed."""
    if not region_codes.is_code(region.code):
        raise Invalid(FieldError("code", "form", "A region code is 12 digits."))
    if region_codes.is_test(region.code) and not allow_test_region:
        raise Invalid(FieldError("code", "test_region", "Codes 99… are for invented regions only."))
    try:
        ZoneInfo(region.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(FieldError("time_zone", "unknown", f"There is no time zone {region.time_zone!r}.")) from None


async def insert(conn: Connection, regions: Sequence[Region], *, allow_test_region: bool = False) -> None:
    """Add regions, parents first. Raises Invalid as `check` does."""
    for region in regions:
        check(region, allow_test_region=allow_test_region)
    await write_all(
        conn,
        load_queries(*_FILE)["insert_region"],
        [
            {
                "code": region.code,
                "name": region.name,
                "level": region.level,
                "parent_code": region.parent_code,
                "time_zone": region.time_zone,
                "urban_rural": region.urban_rural,
                "valid_from": region.valid_from,
                "valid_to": region.valid_to,
                "replaced_by": region.replaced_by,
            }
            for region in regions
        ],
    )


async def get(conn: Connection, code: str) -> Region:
    """Raises NotFound."""
    row = await fetch_one(conn, load_queries(*_FILE)["region"], {"code": code})
    if row is None:
        raise NotFound(f"There is no region {code}.")
    return _region(row)


async def subtree(conn: Connection, code: str) -> list[Region]:
    """`code` and everything below it, by code."""
    pattern = f"{region_codes.prefix(code)}%"
    return [_region(row) for row in await fetch_all(conn, load_queries(*_FILE)["regions_like"], {"pattern": pattern})]


async def zone_of(conn: Connection, code: str) -> ZoneInfo:
    """The region's own time zone. Raises NotFound."""
    return ZoneInfo((await get(conn, code)).time_zone)


def _region(row: Row) -> Region:
    return Region(**row)
