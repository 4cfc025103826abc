"""Bindings: whom a device stands for, from when until when. Nothing is ever re-bound silently.

An event belongs to whoever the device was bound to when it happened, so a binding is ended, not overwritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors

from core.domain.ids import new_id
from core.errors import Conflict, FieldError, Invalid, NotFound
from core.store.pool import Connection
from core.store.queries import Queries, load_queries
from registry.dwellings import ZONE_KINDS

_ZONE_MAX_CHARS = 64


@dataclass(frozen=True, slots=True)
class Binding:
    """`device_id` stands for the elder or the dwelling during [from_, until); `zone` is the room's name."""

    id: UUID
    device_id: str
    elder_id: UUID | None
    dwelling_id: UUID | None
    zone: str | None
    from_: datetime
    until: datetime | None


async def bind(
    conn: Connection,
    device_id: str,
    *,
    elder_id: UUID | None = None,
    dwelling_id: UUID | None = None,
    zone: str | None = None,
    from_: datetime | None = None,
    until: datetime | None = None,
    now: datetime,
) -> Binding:
    """Bind a device to one elder or one dwelling from `from_` (default: now; the past repairs history).

    `zone` names a room of the dwelling (a bound elder's dwelling), by name or kind; a new name adds the room.
    Raises NotFound for the device, Invalid for the rest, Conflict("binding-overlap") when another binding of the
    device covers a part of that time and Conflict("device-retired").
    """
    if (elder_id is None) == (dwelling_id is None):
        raise _wrong("elder_id", "one_subject", "name either an elder or a dwelling")
    start = from_ or now
    if until is not None and until <= start:
        raise _wrong("until", "after_from", "a binding ends after it begins")
    async with conn.transaction():
        lifecycle = await _lock(conn, device_id)
        if lifecycle == "retired":
            raise Conflict(f"{device_id} is retired.", code="device-retired")
        home = await _home(conn, elder_id, dwelling_id)
        zone_id = await _zone(conn, home, zone, now) if zone else None
        row = {
            "id": new_id(now), "device_id": device_id, "elder_id": elder_id, "dwelling_id": dwelling_id,
            "zone_id": zone_id, "from": start, "until": until, "now": now,
        }  # fmt: skip
        await _insert(conn, row)
        if lifecycle == "in_stock":
            await _set_lifecycle(conn, device_id, "installed", now)
        cursor = await conn.execute(_queries()["get_binding"], {"id": row["id"]})
        return Binding(*_row(await cursor.fetchone()))


async def unbind(conn: Connection, device_id: str, at: datetime) -> Binding:
    """End the binding that is valid at `at`, at that instant; returns it as it now stands.

    Raises NotFound for the device, Conflict("not-bound") when no binding that began before `at` covers it.
    """
    async with conn.transaction():
        lifecycle = await _lock(conn, device_id)
        cursor = await conn.execute(_queries()["end_binding"], {"device_id": device_id, "at": at})
        ended = await cursor.fetchone()
        if ended is None:
            raise Conflict(f"{device_id} is not bound to anybody at {at.isoformat()}.", code="not-bound")
        cursor = await conn.execute(_queries()["bound_after"], {"device_id": device_id, "at": at})
        if lifecycle in ("installed", "active") and not _row(await cursor.fetchone())[0]:
            await _set_lifecycle(conn, device_id, "in_stock", at)
        cursor = await conn.execute(_queries()["get_binding"], {"id": ended[0]})
        return Binding(*_row(await cursor.fetchone()))


async def bindings_of(conn: Connection, device_ids: Sequence[str]) -> list[Binding]:
    """All bindings of these devices, past ones too, by device and time."""
    cursor = await conn.execute(_queries()["bindings_of"], {"device_ids": list(device_ids)})
    return [Binding(*row) for row in await cursor.fetchall()]


async def end_all_bindings(conn: Connection, device_id: str, at: datetime) -> None:
    """For a device taken out of service: end what is valid at `at`, drop what would begin later."""
    await conn.execute(_queries()["end_binding"], {"device_id": device_id, "at": at})
    await conn.execute(_queries()["drop_later_bindings"], {"device_id": device_id, "at": at})


async def _insert(conn: Connection, row: dict[str, object]) -> None:
    try:
        async with conn.transaction():
            await conn.execute(_queries()["insert_binding"], row)
    except errors.ExclusionViolation:
        cursor = await conn.execute(_queries()["overlapping_binding"], row)
        other = Binding(*_row(await cursor.fetchone()))
        end = other.until.isoformat() if other.until else "now on"
        raise Conflict(
            f"{other.device_id} is bound already from {other.from_.isoformat()} until {end}; unbind it first.",
            code="binding-overlap",
        ) from None


async def _home(conn: Connection, elder_id: UUID | None, dwelling_id: UUID | None) -> UUID | None:
    """The dwelling whose rooms may be named: the bound one, or the elder's (None: lives in no known one)."""
    if elder_id is not None:
        cursor = await conn.execute(_queries()["elder_dwelling"], {"elder_id": elder_id})
        row = await cursor.fetchone()
        if row is None:
            raise _wrong("elder_id", "unknown_elder", "there is no such elder")
        return row[0]  # type: ignore[no-any-return]
    cursor = await conn.execute(_queries()["known_dwelling"], {"dwelling_id": dwelling_id})
    if await cursor.fetchone() is None:
        raise _wrong("dwelling_id", "unknown_dwelling", "there is no such dwelling")
    return dwelling_id


async def _zone(conn: Connection, dwelling_id: UUID | None, zone: str, now: datetime) -> UUID:
    if dwelling_id is None:
        raise _wrong("zone", "no_dwelling", "this elder lives in no dwelling of the registry, so there are no rooms")
    if not zone.strip() or len(zone) > _ZONE_MAX_CHARS:
        raise _wrong("zone", "zone_name", f"a room's name has 1 to {_ZONE_MAX_CHARS} characters")
    place = {"dwelling_id": dwelling_id, "zone": zone}
    cursor = await conn.execute(_queries()["find_zone"], place)
    row = await cursor.fetchone()
    if row is None:
        kind = zone if zone in ZONE_KINDS else "other"
        cursor = await conn.execute(_queries()["insert_zone"], {**place, "id": new_id(now), "kind": kind})
        row = await cursor.fetchone()
    return _row(row)[0]  # type: ignore[no-any-return]


async def _lock(conn: Connection, device_id: str) -> str:
    cursor = await conn.execute(_queries()["lock_device"], {"id": device_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no device {device_id}.")
    return str(row[1])


async def _set_lifecycle(conn: Connection, device_id: str, lifecycle: str, now: datetime) -> None:
    await conn.execute(_queries()["set_lifecycle"], {"id": device_id, "lifecycle": lifecycle, "now": now})


def _queries() -> Queries:
    return load_queries("registry", "queries_devices.sql")


def _row(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    assert row is not None
    return row


def _wrong(field: str, rule: str, message: str) -> Invalid:
    return Invalid(FieldError(field, rule, message))
