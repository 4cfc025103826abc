"""People who work for an organisation. An account may belong to one; its display name never does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.domain.ids import new_id
from core.errors import FieldError, Forbidden, Invalid
from core.runtime.crypto import DataKey, Keyring
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import data_keys, masking
from registry.access import Role, Scope, scoped
from registry.rows import Row, fetch_all, write_all

_FILE = ("registry", "queries_people.sql")

EMPLOYMENTS = frozenset({"staff", "contract", "volunteer"})


@dataclass(frozen=True, slots=True)
class NewStaff:
    organisation_id: UUID
    name: str
    phone: str | None = None
    employment: str = "staff"


@dataclass(frozen=True, slots=True)
class Staff:
    """Masked."""

    id: UUID
    organisation_id: UUID
    name: str | None
    phone: str | None
    employment: str


async def add(conn: Connection, keyring: Keyring, scope: Scope, new: NewStaff, now: datetime) -> UUID:
    """Raises Forbidden for anyone but an admin, Invalid for an empty name or an unknown employment."""
    if not scope.has(Role.ADMIN):
        raise Forbidden
    if not new.name.strip():
        raise Invalid(FieldError("name", "missing", "A member of staff has a name."))
    if new.employment not in EMPLOYMENTS:
        raise Invalid(FieldError("employment", "unknown", f"One of {', '.join(sorted(EMPLOYMENTS))}."))
    id = new_id(now)
    await insert_many(conn, keyring, [(id, new)], now)
    return id


async def insert_many(
    conn: Connection, keyring: Keyring, staff: Sequence[tuple[UUID, NewStaff]], now: datetime
) -> None:
    """Unchecked, under ids of the caller's: for seeding."""
    keys = [data_keys.make(keyring, now) for _ in staff]
    await data_keys.store(conn, keyring, keys, now)
    rows = [_row(key, id, new, now) for key, (id, new) in zip(keys, staff, strict=True)]
    await write_all(conn, load_queries(*_FILE)["insert_staff"], rows)


async def list_(conn: Connection, keyring: Keyring, scope: Scope) -> list[Staff]:
    """Staff of the organisations in scope, masked, in the order they were added."""
    rows = await fetch_all(conn, scoped(load_queries(*_FILE)["staff_in_scope"]), scope.sql_params())
    return [_staff(keyring, row) for row in rows]


def _row(key: DataKey, id: UUID, new: NewStaff, now: datetime) -> Row:
    return {
        "id": id,
        "organisation_id": new.organisation_id,
        "data_key_id": key.id,
        "name_enc": key.encrypt(new.name.strip(), field="name"),
        "phone_enc": None if new.phone is None else key.encrypt(new.phone.strip(), field="phone"),
        "employment": new.employment,
        "now": now,
    }


def _staff(keyring: Keyring, row: Row) -> Staff:
    key = data_keys.of_row(keyring, row)
    phone = key.decrypt(row["phone_enc"], field="phone") if key and row["phone_enc"] else None
    return Staff(
        id=row["id"],
        organisation_id=row["organisation_id"],
        name=masking.mask_name(key.decrypt(row["name_enc"], field="name")) if key else None,
        phone=masking.mask_phone(phone) if phone else None,
        employment=row["employment"],
    )
