"""The people to ring for an elder, in order of priority. Their names and numbers are secret like the elder's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.domain.ids import new_id
from core.errors import FieldError, Forbidden, Invalid, NotFound
from core.runtime.crypto import DataKey, Keyring
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import access_log, data_keys, masking
from registry.access import Scope, scoped
from registry.elder_model import check_reason, is_text, is_word, phone_problem
from registry.rows import Row, fetch_all, fetch_one, write_all

_FILE = ("registry", "queries_people.sql")


@dataclass(frozen=True, slots=True)
class NewContact:
    """`relation` is a word of the field: daughter, son, neighbour, … ; `priority` 1 is rung first."""

    name: str
    phone: str
    relation: str
    priority: int = 1
    is_guardian: bool = False
    is_keyholder: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """Masked; None after erasure."""

    id: UUID
    elder_id: UUID
    name: str | None
    phone: str | None
    relation: str
    priority: int
    is_guardian: bool
    is_keyholder: bool


async def add(
    conn: Connection,
    keyring: Keyring,
    scope: Scope,
    elder_id: UUID,
    new: NewContact,
    now: datetime,
    *,
    request_id: str | None = None,
) -> UUID:
    """Raises NotFound for an elder out of scope, Forbidden without the right to write, Invalid."""
    await _see_elder(conn, scope, elder_id)
    if not scope.may("elders.write"):
        raise Forbidden
    if not is_text(new.name, 80):
        raise Invalid(FieldError("name", "form", "A name has 1 to 80 printable characters."))
    if not is_word(new.relation):
        raise Invalid(FieldError("relation", "form", "A lower-case word of the field."))
    if problem := phone_problem(new.phone):
        raise Invalid(FieldError("phone", *problem))
    id = new_id(now)
    await insert_many(conn, keyring, [(id, elder_id, new)], now)
    await access_log.record(
        conn, scope.account_id, "change", "elder", str(elder_id), ["contacts"], None, request_id, now
    )
    return id


async def insert_many(
    conn: Connection, keyring: Keyring, contacts: Sequence[tuple[UUID, UUID, NewContact]], now: datetime
) -> None:
    """(contact id, elder id, contact) unchecked: for seeding and imports that checked before."""
    keys = [data_keys.make(keyring, now) for _ in contacts]
    await data_keys.store(conn, keyring, keys, now)
    rows = [_row(keyring, key, contact, now) for key, contact in zip(keys, contacts, strict=True)]
    await write_all(conn, load_queries(*_FILE)["insert_contact"], rows)


def _row(keyring: Keyring, key: DataKey, contact: tuple[UUID, UUID, NewContact], now: datetime) -> Row:
    id, elder_id, new = contact
    return {
        "id": id,
        "elder_id": elder_id,
        "data_key_id": key.id,
        "name_enc": key.encrypt(new.name.strip(), field="name"),
        "phone_enc": key.encrypt(new.phone.strip(), field="phone"),
        "phone_hash": keyring.blind_index("phone", new.phone),
        "relation": new.relation,
        "priority": new.priority,
        "is_guardian": new.is_guardian,
        "is_keyholder": new.is_keyholder,
        "now": now,
    }


async def of_elder(conn: Connection, keyring: Keyring, scope: Scope, elder_id: UUID) -> list[Contact]:
    """Masked, in order of priority. Raises NotFound."""
    await _see_elder(conn, scope, elder_id)
    rows = await fetch_all(conn, load_queries(*_FILE)["contacts_of_elder"], {"elder_id": elder_id})
    return [_contact(keyring, row) for row in rows]


async def reveal_phone(
    conn: Connection,
    keyring: Keyring,
    scope: Scope,
    contact_id: UUID,
    reason: str,
    now: datetime,
    *,
    request_id: str | None = None,
) -> str | None:
    """The whole number, on record before it is opened; None after erasure. Raises NotFound, Forbidden, Invalid."""
    row = await fetch_one(conn, scoped(load_queries(*_FILE)["contact"]), {"id": contact_id, **scope.sql_params()})
    if row is None:
        raise NotFound("There is no such contact.")
    if not scope.may("elders.reveal"):
        raise Forbidden
    check_reason(reason)
    await access_log.record(
        conn, scope.account_id, "reveal", "contact", str(contact_id), ["phone"], reason.strip(), request_id, now
    )
    key = data_keys.of_row(keyring, row)
    return None if key is None else key.decrypt(row["phone_enc"], field="phone")


async def _see_elder(conn: Connection, scope: Scope, elder_id: UUID) -> None:
    params = {"id": elder_id, **scope.sql_params()}
    if await fetch_one(conn, scoped(load_queries(*_FILE)["elder_in_scope"]), params) is None:
        raise NotFound("There is no such elder.")


def _contact(keyring: Keyring, row: Row) -> Contact:
    key = data_keys.of_row(keyring, row)
    return Contact(
        id=row["id"],
        elder_id=row["elder_id"],
        name=masking.mask_name(key.decrypt(row["name_enc"], field="name")) if key else None,
        phone=masking.mask_phone(key.decrypt(row["phone_enc"], field="phone")) if key else None,
        relation=row["relation"],
        priority=row["priority"],
        is_guardian=row["is_guardian"],
        is_keyholder=row["is_keyholder"],
    )
