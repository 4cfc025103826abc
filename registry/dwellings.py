"""Dwellings with their zones, and the households that live in them. The address is secret, the building is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.domain.ids import new_id
from core.errors import FieldError, Invalid, NotFound
from core.runtime.crypto import DataKey, Keyring
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import data_keys, masking
from registry.access import Scope, scoped
from registry.rows import Row, fetch_all, fetch_one, write_all

_FILE = ("registry", "queries_places.sql")

ZONE_KINDS = frozenset({"bedroom", "bathroom", "kitchen", "living", "entrance", "outdoor", "other"})


@dataclass(frozen=True, slots=True)
class NewDwelling:
    """`building` is what anyone in scope may read; left out, it is cut from the address (masking.building_of)."""

    region_code: str
    centre_id: UUID
    address: str
    building: str | None = None
    door_access: str | None = None
    lat: float | None = None
    lng: float | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    id: UUID
    dwelling_id: UUID
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Dwelling:
    """Masked: the address ends at the building. `building` is None once the key was destroyed or nothing is known."""

    id: UUID
    region_code: str
    centre_id: UUID
    building: str | None
    lat: float | None
    lng: float | None


async def create(conn: Connection, keyring: Keyring, scope: Scope, new: NewDwelling, now: datetime) -> Dwelling:
    """Add a dwelling of a centre in scope. Raises NotFound for another centre, Invalid for an empty address."""
    if not scope.sees(new.centre_id, new.region_code, ()):
        raise NotFound("There is no such centre.")
    if not new.address.strip():
        raise Invalid(FieldError("address", "missing", "A dwelling has an address."))
    id = new_id(now)
    await insert_many(conn, keyring, [(id, new)], now)
    return Dwelling(id, new.region_code, new.centre_id, _building(new) or None, new.lat, new.lng)


async def insert_many(
    conn: Connection, keyring: Keyring, dwellings: Sequence[tuple[UUID, NewDwelling]], now: datetime
) -> None:
    """Add many under ids of the caller's, unchecked: for seeding and imports that checked before."""
    keys = [data_keys.make(keyring, now) for _ in dwellings]
    await data_keys.store(conn, keyring, keys, now)
    rows = [_row(key, id, new, now) for key, (id, new) in zip(keys, dwellings, strict=True)]
    await write_all(conn, load_queries(*_FILE)["insert_dwelling"], rows)


def _building(new: NewDwelling) -> str:
    return masking.building_of(new.address) if new.building is None else new.building


def _row(key: DataKey, id: UUID, new: NewDwelling, now: datetime) -> Row:
    return {
        "id": id,
        "region_code": new.region_code,
        "centre_id": new.centre_id,
        "data_key_id": key.id,
        "address_enc": key.encrypt(new.address, field="address"),
        "building_enc": key.encrypt(_building(new), field="building"),
        "door_access_enc": None if new.door_access is None else key.encrypt(new.door_access, field="door_access"),
        "lat": new.lat,
        "lng": new.lng,
        "now": now,
    }


async def get(conn: Connection, keyring: Keyring, scope: Scope, dwelling_id: UUID) -> Dwelling:
    """Raises NotFound, also outside the scope."""
    row = await fetch_one(conn, scoped(load_queries(*_FILE)["dwelling"]), {"id": dwelling_id, **scope.sql_params()})
    if row is None:
        raise NotFound("There is no such dwelling.")
    key = data_keys.of_row(keyring, row)
    building = key.decrypt(row["building_enc"], field="building") if key and row["building_enc"] else None
    return Dwelling(row["id"], row["region_code"], row["centre_id"], building or None, row["lat"], row["lng"])


async def add_household(conn: Connection, dwelling_id: UUID, now: datetime) -> UUID:
    """A new household in the dwelling; elders join it by their `household_id`."""
    id = new_id(now)
    await insert_households(conn, [(id, dwelling_id)], now)
    return id


async def insert_households(conn: Connection, households: Sequence[tuple[UUID, UUID]], now: datetime) -> None:
    """(household id, dwelling id) pairs."""
    rows = [{"id": id, "dwelling_id": dwelling_id, "now": now} for id, dwelling_id in households]
    await write_all(conn, load_queries(*_FILE)["insert_household"], rows)


async def add_zones(conn: Connection, zones: Sequence[Zone]) -> None:
    """Rooms. Raises Invalid for an unknown kind."""
    for zone in zones:
        if zone.kind not in ZONE_KINDS:
            raise Invalid(FieldError("kind", "unknown", f"A zone is one of {', '.join(sorted(ZONE_KINDS))}."))
    rows = [{"id": z.id, "dwelling_id": z.dwelling_id, "kind": z.kind, "name": z.name} for z in zones]
    await write_all(conn, load_queries(*_FILE)["insert_zone"], rows)


async def zones(conn: Connection, dwelling_id: UUID) -> list[Zone]:
    """The dwelling's rooms by name. The caller has checked the dwelling's scope."""
    rows = await fetch_all(conn, load_queries(*_FILE)["zones_of_dwelling"], {"dwelling_id": dwelling_id})
    return [Zone(**row) for row in rows]


async def residents(conn: Connection, dwelling_id: UUID) -> list[UUID]:
    """Elders who live there now, by id."""
    rows = await fetch_all(conn, load_queries(*_FILE)["elders_of_dwelling"], {"dwelling_id": dwelling_id})
    return [row["id"] for row in rows]
