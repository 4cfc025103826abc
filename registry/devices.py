"""Devices: made with a credential that is shown once, taken out of service for good.

Functions take a connection and open a transaction (or savepoint) of their own, so that a refused call leaves
nothing behind and the caller's transaction usable.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import errors

from core.errors import Conflict, FieldError, Invalid, NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import credentials
from registry.bindings import end_all_bindings
from registry.device_models import model_ids

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is misread from a sticker: no 0/o, 1/i/l
RESERVED_IDS = frozenset({"platform", "anxin", "admin", "broker", "mosquitto"})
LIFECYCLES = ("in_stock", "installed", "active", "faulty", "lost", "retired")
_EVERYTHING = {"scope_everything": True, "scope_centres": [], "scope_regions": [], "scope_elders": []}


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the registry. `hub_id`: the hub it speaks through; `centre_id`: whose stock it is."""

    id: str
    device_no: int
    model: str
    device_type: str
    hub_id: str | None
    centre_id: UUID | None
    lifecycle: str
    created_at: datetime
    retired_at: datetime | None


class NewDevice(NamedTuple):
    """A made device with its credential, readable only now; a child that speaks through its hub has none."""

    device: Device
    username: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device to make. `with_credential` None: unless it speaks through a hub."""

    model: str
    device_id: str | None = None
    hub_id: str | None = None
    centre_id: UUID | None = None
    with_credential: bool | None = None

    @property
    def needs_credential(self) -> bool:
        return self.hub_id is None if self.with_credential is None else self.with_credential


def new_device_id() -> str:
    """A short id that reads well from a sticker: `dv-7f3k9q2m`, 31^8 of them."""
    return "dv-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))


async def create(
    conn: Connection,
    *,
    device_id: str | None = None,
    model: str,
    hub_id: str | None = None,
    centre_id: UUID | None = None,
    with_credential: bool | None = None,
    now: datetime,
) -> NewDevice:
    """Make one device; see `create_many`."""
    made = await create_many(conn, [DeviceSpec(model, device_id, hub_id, centre_id, with_credential)], now=now)
    return made[0]


async def create_many(conn: Connection, specs: Sequence[DeviceSpec], *, now: datetime) -> list[NewDevice]:
    """Make devices, all or none, in order; a hub may come before its children in the same call.

    Raises Invalid (unknown model, hub or centre, a hub that is itself a child or retired, a malformed or
    reserved id) with the field of the first wrong one, and Conflict("device-exists").
    """
    q = load_queries("registry", "queries_devices.sql")
    ids = [spec.device_id or new_device_id() for spec in specs]
    async with conn.transaction():
        models = await _check(conn, specs, ids)
        try:
            async with conn.transaction():
                await conn.execute(
                    q["insert_devices"],
                    {
                        "ids": ids,
                        "model_ids": [models[spec.model] for spec in specs],
                        "hub_ids": [spec.hub_id for spec in specs],
                        "centre_ids": [spec.centre_id for spec in specs],
                        "now": now,
                    },
                )
        except errors.UniqueViolation:
            raise Conflict("A device with this id exists already.", code="device-exists") from None
        passwords = {
            device_id: credentials.new_password()
            for device_id, spec in zip(ids, specs, strict=True)
            if spec.needs_credential
        }
        await credentials.insert_for_devices(conn, passwords, now)
        devices = await _by_id(conn, ids)
    return [
        NewDevice(devices[device_id], device_id if device_id in passwords else None, passwords.get(device_id))
        for device_id in ids
    ]


async def get(conn: Connection, device_id: str) -> Device:
    """Raises NotFound."""
    found = await _by_id(conn, [device_id])
    if device_id not in found:
        raise NotFound(f"There is no device {device_id}.")
    return found[device_id]


async def list_(
    conn: Connection,
    scope_params: Mapping[str, Any] | None = None,
    *,
    now: datetime,
    device_id: str | None = None,
    hub_id: str | None = None,
    elder_id: UUID | None = None,
    lifecycle: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Device]:
    """Devices by id, those in scope (`Scope.sql_params()`; None: all), from the one after `after`."""
    cursor = await conn.execute(
        load_queries("registry", "queries_devices.sql")["list_devices"],
        {
            **(scope_params if scope_params is not None else _EVERYTHING),
            "now": now,
            "device_id": device_id,
            "hub_id": hub_id,
            "elder_id": elder_id,
            "lifecycle": lifecycle,
            "after": after,
            "limit": limit,
        },
    )
    return [Device(*row) for row in await cursor.fetchall()]


async def retire(conn: Connection, device_id: str, now: datetime) -> Device:
    """Take a device out of service for good: its credential is revoked, its binding ends now.

    Retiring again changes nothing. Raises NotFound, and Conflict("hub-has-children") while children that are
    not retired speak through it: they would fall silent without anybody having said so.
    """
    q = load_queries("registry", "queries_devices.sql")
    async with conn.transaction():
        if await lock(conn, device_id) == "retired":
            return await get(conn, device_id)
        cursor = await conn.execute(q["living_children"], {"id": device_id})
        if children := [row[0] for row in await cursor.fetchall()]:
            named = ", ".join(children[:5]) + (" …" if len(children) > 5 else "")
            raise Conflict(f"{device_id} is the hub of {named}; retire or move these first.", code="hub-has-children")
        await credentials.revoke_if_valid(conn, device_id, now)
        await end_all_bindings(conn, device_id, now)
        await conn.execute(q["set_lifecycle"], {"id": device_id, "lifecycle": "retired", "now": now})
        return await get(conn, device_id)


async def revoke_credential(conn: Connection, device_id: str, now: datetime) -> None:
    """Close the broker to a device that stays in service; disconnected within 5 s of the commit.

    Revoking again changes nothing. Raises NotFound for an unknown device.
    """
    async with conn.transaction():
        await lock(conn, device_id)
        await credentials.revoke_if_valid(conn, device_id, now)


async def reissue(conn: Connection, device_id: str, now: datetime) -> NewDevice:
    """A new password (shown once) in place of the old one, which ends at once; also for a child without one.

    Raises NotFound, Conflict("device-retired").
    """
    async with conn.transaction():
        if await lock(conn, device_id) == "retired":
            raise Conflict(f"{device_id} is retired.", code="device-retired")
        password = credentials.new_password()
        await credentials.put(conn, device_id, password, now, device_id=device_id)
        return NewDevice(await get(conn, device_id), device_id, password)


async def lock(conn: Connection, device_id: str) -> str:
    """Hold the device's row until the transaction ends; returns its lifecycle. Raises NotFound."""
    cursor = await conn.execute(load_queries("registry", "queries_devices.sql")["lock_device"], {"id": device_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no device {device_id}.")
    return str(row[1])


async def _by_id(conn: Connection, ids: Sequence[str]) -> dict[str, Device]:
    cursor = await conn.execute(load_queries("registry", "queries_devices.sql")["get_devices"], {"ids": list(ids)})
    return {row[0]: Device(*row) for row in await cursor.fetchall()}


async def _check(conn: Connection, specs: Sequence[DeviceSpec], ids: Sequence[str]) -> dict[str, UUID]:
    """Everything a spec may have wrong but a taken id; returns the row ids of all models."""
    models = await model_ids(conn)
    known_hubs = await _by_id(conn, list({spec.hub_id for spec in specs if spec.hub_id}))
    cursor = await conn.execute(
        load_queries("registry", "queries_devices.sql")["known_centres"],
        {"ids": list({spec.centre_id for spec in specs if spec.centre_id})},
    )
    centres = {row[0] for row in await cursor.fetchall()}
    reserved = RESERVED_IDS | await credentials.platform_names(conn, ids)
    hubs: dict[str, bool] = {hub.id: _may_be_hub(hub) for hub in known_hubs.values()}
    for spec, device_id in zip(specs, ids, strict=True):
        if not _ID.fullmatch(device_id):
            raise _wrong(
                "id", "device_id", "1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first"
            )
        if device_id.lower() in reserved or device_id in reserved:
            raise _wrong("id", "reserved", "this name belongs to a part of the platform")
        if spec.model not in models:
            raise _wrong(
                "model", "unknown_model", f"there is no model {spec.model!r}; known: {', '.join(sorted(models))}"
            )
        if spec.centre_id is not None and spec.centre_id not in centres:
            raise _wrong("centre_id", "unknown_centre", "there is no such centre")
        if spec.hub_id is not None:
            _check_hub(spec.hub_id, hubs)
        hubs[device_id] = spec.hub_id is None
    return models


def _may_be_hub(device: Device) -> bool:
    return device.hub_id is None and device.lifecycle != "retired"


def _check_hub(hub_id: str, hubs: Mapping[str, bool]) -> None:
    if hub_id not in hubs:
        raise _wrong("hub_id", "unknown_hub", f"there is no device {hub_id}")
    if not hubs[hub_id]:
        raise _wrong("hub_id", "not_a_hub", f"{hub_id} is retired or speaks through a hub itself")


def _wrong(field: str, rule: str, message: str) -> Invalid:
    return Invalid(FieldError(field, rule, message))
