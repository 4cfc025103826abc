"""Elders: created, read masked, searched, changed with an optimistic version, revealed with a reason.

Every function takes the caller's scope; a row outside it is NotFound, like a row that does not exist. Writes want a
transaction around them. What is read or searched is on record before it is opened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from core.domain.ids import new_id
from core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from core.runtime.crypto import DataKey, Keyring
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import access_log, citizen_id, cursors, data_keys, elder_search, masking, regions
from registry.access import Role, Scope, scoped
from registry.elder_model import EDITABLE, Elder, ElderLabel, ElderPage, NewElder, check, check_reason
from registry.elder_search import NameIndex
from registry.rows import Row, fetch_all, fetch_one, write_all

_FILE = ("registry", "queries_elders.sql")

REVEALABLE = frozenset({"name", "phone", "address", "door_access", "id_no"})
PAGE_LIMIT = 200


async def create(
    conn: Connection, keyring: Keyring, scope: Scope, new: NewElder, now: datetime, *, request_id: str | None = None
) -> Elder:
    """Enrol an elder at a centre in scope.

    Raises Forbidden without the right to write, NotFound for a centre out of scope, Invalid for a broken field,
    Conflict `elder-exists` when the identity number is enrolled already.
    """
    await _may_write_at(conn, scope, new.centre_id)
    await _check(conn, asdict(new), new.region_code, now)
    await _check_household(conn, scope, new.household_id)
    id, key = new_id(now), data_keys.make(keyring, now)
    try:
        async with conn.transaction():
            await data_keys.store(conn, keyring, [key], now)
            await conn.execute(load_queries(*_FILE)["insert_elder"], _row(keyring, key, id, new, now))
    except psycopg.errors.UniqueViolation:
        raise Conflict("An elder with this identity number is enrolled already.", code="elder-exists") from None
    await access_log.record(conn, scope.account_id, "change", "elder", str(id), sorted(EDITABLE), None, request_id, now)
    return await _fetch(conn, keyring, scope, id)


async def insert_many(
    conn: Connection, keyring: Keyring, elders: Sequence[tuple[UUID, NewElder]], now: datetime
) -> None:
    """Add many under ids of the caller's, unchecked: for seeding and imports that checked before."""
    keys = [data_keys.make(keyring, now) for _ in elders]
    await data_keys.store(conn, keyring, keys, now)
    rows = [_row(keyring, key, id, new, now) for key, (id, new) in zip(keys, elders, strict=True)]
    await write_all(conn, load_queries(*_FILE)["insert_elder"], rows)


async def get(
    conn: Connection, keyring: Keyring, scope: Scope, elder_id: UUID, now: datetime, *, request_id: str | None = None
) -> Elder:
    """One elder, masked; opening a person's record is on record. Raises NotFound."""
    elder = await _fetch(conn, keyring, scope, elder_id)
    await access_log.record(conn, scope.account_id, "read", "elder", str(elder_id), ["record"], None, request_id, now)
    return elder


async def list_(
    conn: Connection,
    keyring: Keyring,
    scope: Scope,
    now: datetime,
    *,
    q: str | None = None,
    enrolment: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
    names: NameIndex | None = None,
    request_id: str | None = None,
) -> ElderPage:
    """Elders in scope, oldest enrolment first. `q`: an exact name, phone, identity or elder number, or a piece of a
    name. Pass the process's NameIndex as `names` so that a search need not open every name again.

    Raises Invalid for a cursor that is none of ours.
    """
    params: dict[str, Any] = {
        **scope.sql_params(),
        "enrolment": enrolment,
        "after": cursors.read_uuid(cursor),
        "limit": min(max(limit, 1), PAGE_LIMIT) + 1,
    }
    statement = "list_elders"
    if q is not None and q.strip():
        searched = elder_search.searched_fields(q)
        await access_log.record(conn, scope.account_id, "search", "elders", "*", searched, None, request_id, now)
        index = NameIndex(keyring) if names is None else names
        params |= await elder_search.params(conn, keyring, scope, index, q)
        statement = "search_elders"
    rows = await fetch_all(conn, scoped(load_queries(*_FILE)[statement]), params)
    page, more = rows[: params["limit"] - 1], len(rows) == params["limit"]
    return ElderPage(
        [_elder(keyring, row) for row in page], cursors.write_uuid(page[-1]["id"]) if more and page else None
    )


async def update(
    conn: Connection,
    keyring: Keyring,
    scope: Scope,
    elder_id: UUID,
    changes: Mapping[str, Any],
    now: datetime,
    *,
    expected_version: int | None = None,
    request_id: str | None = None,
) -> Elder:
    """Change some fields of NewElder. An elder who died or moved away keeps the row, with that `enrolment`.

    Raises NotFound, Forbidden, Invalid, and Conflict: `version-conflict` when `expected_version` is no longer the
    row's, `erased` when there is nobody to change any more, `elder-exists` for another elder's identity number.
    """
    if unknown := sorted(set(changes) - EDITABLE):
        raise Invalid(*(FieldError(name, "unknown", "This field cannot be changed.") for name in unknown))
    row = await fetch_one(conn, scoped(load_queries(*_FILE)["elder_for_update"]), _one(scope, elder_id))
    if row is None:
        raise NotFound("There is no such elder.")
    await _may_write_at(conn, scope, row["centre_id"])
    if "centre_id" in changes and changes["centre_id"] != row["centre_id"]:
        await _may_write_at(conn, scope, changes["centre_id"])
    if expected_version is not None and row["version"] != expected_version:
        raise Conflict("Somebody else changed this elder; read it again.", code="version-conflict")
    await _check(conn, changes, changes.get("region_code", row["region_code"]), now)
    await _check_household(conn, scope, changes.get("household_id"))
    key = data_keys.of_row(keyring, row)
    if key is None:
        raise Conflict("This elder's data was erased.", code="erased")
    await _write_changes(conn, keyring, key, row, changes, now)
    await access_log.record(
        conn, scope.account_id, "change", "elder", str(elder_id), sorted(changes), None, request_id, now
    )
    return await _fetch(conn, keyring, scope, elder_id, seen_before=True)


async def reveal(
    conn: Connection,
    keyring: Keyring,
    scope: Scope,
    elder_id: UUID,
    fields: Iterable[str],
    reason: str,
    now: datetime,
    *,
    request_id: str | None = None,
) -> dict[str, str | None]:
    """Unmasked fields (of REVEALABLE) for a reason, which is on record before anything is opened.

    None for what is not known or was erased. The identity number opens for admins only (never on a console).
    Raises NotFound, Forbidden, Invalid for an unknown field or an empty reason.
    """
    wanted = list(dict.fromkeys(fields))
    if unknown := sorted(set(wanted) - REVEALABLE):
        raise Invalid(*(FieldError("fields", "unknown", f"{name} cannot be revealed.") for name in unknown))
    if not wanted:
        raise Invalid(FieldError("fields", "missing", "Name what to reveal."))
    check_reason(reason)
    row = await fetch_one(conn, scoped(load_queries(*_FILE)["elder"]), _one(scope, elder_id))
    if row is None:
        raise NotFound("There is no such elder.")
    if not scope.may("elders.reveal") or ("id_no" in wanted and not scope.has(Role.ADMIN)):
        raise Forbidden
    await access_log.record(
        conn, scope.account_id, "reveal", "elder", str(elder_id), wanted, reason.strip(), request_id, now
    )
    return {name: _open(keyring, row, name) for name in wanted}


async def labels(conn: Connection, keyring: Keyring, elder_ids: Iterable[UUID]) -> dict[UUID, ElderLabel]:
    """Masked names for alert lists, whose rows were scoped before; unknown ids are left out."""
    return {row["id"]: label_of(keyring, row) for row in await label_rows(conn, elder_ids)}


async def label_rows(conn: Connection, elder_ids: Iterable[UUID]) -> list[Row]:
    """What `label_of` opens later, still cipher text; unknown ids are left out."""
    ids = list(set(elder_ids))
    return await fetch_all(conn, load_queries(*_FILE)["elder_labels"], {"ids": ids}) if ids else []


def label_of(keyring: Keyring, row: Mapping[str, Any]) -> ElderLabel:
    opened = dict(row)
    return ElderLabel(_masked(keyring, opened, "name") or "***", _open(keyring, opened, "building"), row["elder_no"])


async def _may_write_at(conn: Connection, scope: Scope, centre_id: UUID) -> None:
    if not scope.may("elders.write"):
        raise Forbidden
    if not scope.has(Role.ADMIN):
        if not scope.holds(centre_id, Role.OPERATOR, Role.SHIFT_SUPERVISOR):
            raise NotFound("There is no such centre.")
    elif await fetch_one(conn, load_queries(*_FILE)["centre_exists"], {"id": centre_id}) is None:
        raise Invalid(FieldError("centre_id", "unknown", "There is no such centre."))


async def _check(conn: Connection, values: Mapping[str, Any], region_code: str, now: datetime) -> None:
    check(values, region_code, now.astimezone(await _zone(conn, region_code)).date())


async def _check_household(conn: Connection, scope: Scope, household_id: UUID | None) -> None:
    """A household out of scope is unknown: joining it would open its address to whoever wrote its id."""
    if household_id is None:
        return
    params = {"id": household_id, **scope.sql_params()}
    if await fetch_one(conn, scoped(load_queries(*_FILE)["household_in_scope"]), params) is None:
        raise Invalid(FieldError("household_id", "unknown", "There is no such household."))


async def _zone(conn: Connection, region_code: str) -> ZoneInfo:
    try:
        return await regions.zone_of(conn, region_code)
    except NotFound:
        raise Invalid(FieldError("region_code", "unknown", "There is no such region.")) from None


async def _write_changes(
    conn: Connection, keyring: Keyring, key: DataKey, row: Row, changes: Mapping[str, Any], now: datetime
) -> None:
    params: Row = {name: changes.get(name, row[name]) for name in EDITABLE - {"name", "phone", "id_no"}}
    params |= {"id": row["id"], "now": now}
    for name in ("name", "phone", "id_no"):
        if name in changes:
            params |= _secret(keyring, key, name, changes[name])
        else:
            params |= {f"{name}_enc": row[f"{name}_enc"], f"{name}_hash": row[f"{name}_hash"]}
    try:
        async with conn.transaction():
            await conn.execute(load_queries(*_FILE)["update_elder"], params)
    except psycopg.errors.UniqueViolation:
        raise Conflict("An elder with this identity number is enrolled already.", code="elder-exists") from None


def _row(keyring: Keyring, key: DataKey, id: UUID, new: NewElder, now: datetime) -> Row:
    plain = {name: value for name, value in asdict(new).items() if name not in ("name", "phone", "id_no")}
    row: Row = {**plain, "id": id, "data_key_id": key.id, "now": now}
    for name in ("name", "phone", "id_no"):
        row |= _secret(keyring, key, name, getattr(new, name))
    return row


def _secret(keyring: Keyring, key: DataKey, name: Any, value: str | None) -> Row:
    """The two columns of a secret: what can be opened again, and what can only be compared."""
    if value is None:
        return {f"{name}_enc": None, f"{name}_hash": None}
    text = citizen_id.normal(value) if name == "id_no" else value.strip()
    return {
        f"{name}_enc": key.encrypt(text, field=name),
        f"{name}_hash": keyring.blind_index(name, value),
    }


def _one(scope: Scope, elder_id: UUID) -> dict[str, Any]:
    return {"id": elder_id, **scope.sql_params()}


async def _fetch(
    conn: Connection, keyring: Keyring, scope: Scope, elder_id: UUID, *, seen_before: bool = False
) -> Elder:
    """`seen_before`: the caller saw the row a moment ago and may just have moved it out of its own scope."""
    params = {**_one(scope, elder_id), **({"scope_everything": True} if seen_before else {})}
    row = await fetch_one(conn, scoped(load_queries(*_FILE)["elder"]), params)
    if row is None:
        raise NotFound("There is no such elder.")
    return _elder(keyring, row)


def _elder(keyring: Keyring, row: Row) -> Elder:
    own = ("name", "phone", "id_no", "building", "erased")
    plain = {name: row[name] for name in Elder.__dataclass_fields__ if name not in own}
    return Elder(
        **plain,
        name=_masked(keyring, row, "name"),
        phone=_masked(keyring, row, "phone"),
        id_no=_masked(keyring, row, "id_no"),
        building=_open(keyring, row, "building"),
        erased=row["wrapped"] is None,
    )


_MASKS = {"name": masking.mask_name, "phone": masking.mask_phone, "id_no": masking.mask_id_no}


def _masked(keyring: Keyring, row: Row, name: str) -> str | None:
    text = _open(keyring, row, name)
    return None if text is None else _MASKS[name](text)


def _open(keyring: Keyring, row: Row, name: str) -> str | None:
    """A secret of the elder or of the dwelling; None where it is not known or its key was destroyed."""
    key = data_keys.of_row(keyring, row, "dwelling_" if name in ("address", "building", "door_access") else "")
    blob = row[f"{name}_enc"]
    return None if key is None or blob is None else key.decrypt(blob, field=name) or None
