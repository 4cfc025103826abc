"""Devices: made with a credential shown once, bound, watched, commanded, taken out of service."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access import Caller, require
from api.database import Db
from api.devices import store
from api.fields import DeviceId, Line, Moment
from api.pagination import CursorText, Limit, Page, bad_cursor, read_cursor, write_cursor
from api.routing import make_router
from api.services import Services
from core.errors import FieldError, Forbidden, Invalid, NotFound
from core.store.pool import Connection
from registry import bindings, commands, devices
from registry.access import OPERATORS, Role, Scope

router = make_router("/devices", "devices")

Admin = Annotated[Scope, Depends(require(Role.ADMIN))]
Operator = Annotated[Scope, Depends(require(*OPERATORS))]
Lifecycle = Literal["in_stock", "installed", "active", "faulty", "lost", "retired"]
_PARAMS_MAX_BYTES = 16_384


class DeviceIn(BaseModel):
    """A device to make; `id` left out: a short one that reads well from a sticker."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(max_length=64)] | None = None
    model: Line
    hub_id: Line | None = Field(None, description="The hub it speaks through; such a child has no credential.")
    centre_id: UUID | None = Field(None, description="Whose stock it is; alerts of an unbound device ring there.")


class Credential(BaseModel):
    """User name and password for the broker, shown only in this answer; null for a child of a hub."""

    id: str
    username: str | None
    password: str | None


class BindingIn(BaseModel):
    """Either an elder or a dwelling, from a moment on (left out: now; the past repairs history)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    elder_id: UUID | None = None
    dwelling_id: UUID | None = None
    zone: Line | None = None
    from_: Moment | None = Field(None, alias="from")


class BindingOut(BaseModel):
    """The device stands for the elder or the dwelling during [from, until)."""

    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    device_id: str
    elder_id: UUID | None
    dwelling_id: UUID | None
    zone: str | None
    from_: datetime = Field(alias="from")
    until: datetime | None


class UnbindIn(BaseModel):
    """When the binding ends; left out: now."""

    model_config = ConfigDict(extra="forbid")

    at: Moment | None = None


class State(BaseModel):
    """What the device last said of itself."""

    last_seen: datetime
    last_at: datetime
    battery_pct: float | None
    battery_at: datetime | None
    worn: bool | None
    worn_at: datetime | None
    link: str | None
    link_at: datetime | None


class DeviceOut(BaseModel):
    """A device of the registry. `state` is null until it is heard for the first time."""

    id: str
    model: str
    device_type: str
    hub_id: str | None
    centre_id: UUID | None
    lifecycle: str
    created_at: datetime
    retired_at: datetime | None
    state: State | None


class DeviceDetail(DeviceOut):
    """With whom it stands for now."""

    binding: BindingOut | None


class CommandIn(BaseModel):
    """What the device shall do, and for how long that makes sense."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["locate", "ring", "self_test", "measure", "configure", "say"]
    params: dict[str, Any] = Field(default_factory=dict)
    ttl_s: int = Field(60, ge=1, le=86_400, description="Seconds after which it is not sent any more.")


class CommandOut(BaseModel):
    """A command and what became of it. `detail`: the device's own words."""

    id: UUID
    type: str
    status: Literal["queued", "sent", "done", "refused", "failed", "expired"]
    detail: str | None
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None


@router.post("", status_code=201, summary="Make a device")
async def create(body: DeviceIn, conn: Db, admin: Admin, services: Services) -> Credential:
    """Admin. The password is shown in this answer only; a repeat with the same Idempotency-Key shows it again."""
    made = await devices.create(
        conn, device_id=body.id, model=body.model, hub_id=body.hub_id, centre_id=body.centre_id, now=services.now()
    )
    return Credential(id=made.device.id, username=made.username, password=made.password)


@router.get("", summary="Devices in scope")
async def find(
    conn: Db,
    caller: Caller,
    services: Services,
    elder_id: UUID | None = None,
    hub_id: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = None,
    lifecycle: Lifecycle | None = None,
    cursor: CursorText = None,
    limit: Limit = 100,
) -> Page[DeviceOut]:
    """By id. Admin, operators and supervisors."""
    _require_reader(caller)
    rows = await devices.list_(
        conn, caller.sql_params(), now=services.now(), elder_id=elder_id, hub_id=hub_id, lifecycle=lifecycle,
        after=_after(cursor), limit=limit + 1,
    )  # fmt: skip
    page = rows[:limit]
    known = await store.states(conn, [device.id for device in page])
    items = [DeviceOut(**_device(device), state=_state(known.get(device.id))) for device in page]
    return Page(items=items, next_cursor=write_cursor(page[-1].id) if len(rows) > limit else None)


@router.get("/{device_id}", summary="One device with its state and binding")
async def get(device_id: DeviceId, conn: Db, caller: Caller, services: Services) -> DeviceDetail:
    _require_reader(caller)
    device = await _in_scope(conn, caller, device_id, services.now())
    known = await store.states(conn, [device.id])
    now = services.now()
    bound = [
        each
        for each in await bindings.bindings_of(conn, [device.id])
        if each.from_ <= now and (each.until is None or now < each.until)
    ]
    return DeviceDetail(
        **_device(device),
        state=_state(known.get(device.id)),
        binding=_binding(bound[0]) if bound else None,
    )


@router.post("/{device_id}/bindings", status_code=201, summary="Bind a device to an elder or a dwelling")
async def bind(device_id: DeviceId, body: BindingIn, conn: Db, admin: Admin, services: Services) -> BindingOut:
    """Admin. A time that is bound already is 409; nothing is ever re-bound silently."""
    made = await bindings.bind(
        conn, device_id, elder_id=body.elder_id, dwelling_id=body.dwelling_id, zone=body.zone, from_=body.from_,
        now=services.now(),
    )  # fmt: skip
    return _binding(made)


@router.post("/{device_id}/unbind", summary="End the current binding")
async def unbind(device_id: DeviceId, body: UnbindIn, conn: Db, admin: Admin, services: Services) -> BindingOut:
    """Admin."""
    return _binding(await bindings.unbind(conn, device_id, body.at or services.now()))


@router.post("/{device_id}/credential", summary="Replace the password")
async def reissue(device_id: DeviceId, conn: Db, admin: Admin, services: Services) -> Credential:
    """Admin. The old password ends at once; the new one is shown in this answer only."""
    made = await devices.reissue(conn, device_id, services.now())
    return Credential(id=made.device.id, username=made.username, password=made.password)


@router.post("/{device_id}/revoke", summary="Close the broker to a device")
async def revoke(device_id: DeviceId, conn: Db, admin: Admin, services: Services) -> DeviceOut:
    """Admin. It is disconnected within 5 s and stays in the registry; a new credential lets it back in."""
    await devices.revoke_credential(conn, device_id, services.now())
    return await _plain(conn, device_id)


@router.post("/{device_id}/retire", summary="Take a device out of service for good")
async def retire(device_id: DeviceId, conn: Db, admin: Admin, services: Services) -> DeviceOut:
    """Admin. Its credential is revoked and its binding ends now."""
    await devices.retire(conn, device_id, services.now())
    return await _plain(conn, device_id)


@router.post("/{device_id}/commands", status_code=202, summary="Send a command to a device")
async def command(device_id: DeviceId, body: CommandIn, conn: Db, caller: Operator, services: Services) -> CommandOut:
    """Operators, supervisors, admin, for devices in scope."""
    now = services.now()
    await _in_scope(conn, caller, device_id, now)
    _check_params(body.params)
    queued = await commands.enqueue(
        conn, device_id, body.type, body.params, body.ttl_s, created_by=caller.account_id, now=now
    )
    return _command(queued)


@router.get("/{device_id}/commands/{command_id}", summary="What became of a command")
async def command_state(
    device_id: DeviceId, command_id: UUID, conn: Db, caller: Operator, services: Services
) -> CommandOut:
    """Operators, supervisors, admin, for devices in scope."""
    await _in_scope(conn, caller, device_id, services.now())
    found = await commands.get(conn, command_id)
    if found.device_id != device_id:
        raise NotFound("There is no such command.")
    return _command(found)


def _require_reader(caller: Scope) -> None:
    if not caller.may("devices.read"):
        raise Forbidden


async def _in_scope(conn: Connection, caller: Scope, device_id: str, now: datetime) -> devices.Device:
    found = await devices.list_(conn, caller.sql_params(), now=now, device_id=device_id, limit=1)
    if not found:
        raise NotFound("There is no such device.")
    return found[0]


async def _plain(conn: Connection, device_id: str) -> DeviceOut:
    known = await store.states(conn, [device_id])
    return DeviceOut(**_device(await devices.get(conn, device_id)), state=_state(known.get(device_id)))


def _check_params(params: dict[str, Any]) -> None:
    """Raises Invalid for what JSON in the database, or a device, could not hold."""
    try:
        text = json.dumps(params, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        text = b"\\u0000"
    if b"\\u0000" in text or len(text) > _PARAMS_MAX_BYTES:
        message = f"plain JSON of at most {_PARAMS_MAX_BYTES} bytes, without NaN or NUL"
        raise Invalid(FieldError("params", "not_valid", message))


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    (last,) = read_cursor(cursor, 1)
    if not isinstance(last, str) or not last.isprintable():
        raise bad_cursor()
    return last


def _device(device: devices.Device) -> dict[str, Any]:
    return {name: getattr(device, name) for name in DeviceOut.model_fields if name != "state"}


def _state(state: store.DeviceState | None) -> State | None:
    return None if state is None else State(**{name: getattr(state, name) for name in State.model_fields})


def _command(command: commands.Command) -> CommandOut:
    return CommandOut(**{name: getattr(command, name) for name in CommandOut.model_fields})


def _binding(binding: bindings.Binding) -> BindingOut:
    return BindingOut(**{name: getattr(binding, name) for name in BindingOut.model_fields})
