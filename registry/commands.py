"""Commands to devices: queued by people, sent by ingest's downlink, answered by the device.

At least once: a command is claimed and marked sent in one transaction, so a sender that dies in between gives it
back; devices know a command by its id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from core.domain.ids import new_id
from core.errors import Conflict, FieldError, Invalid, NotFound
from core.store.pool import Connection, notify
from core.store.queries import Queries, load_queries

# NOTIFY on this channel wakes the sender; the payload is the command's id.
CHANNEL = "device_command"
TYPES = ("locate", "ring", "self_test", "measure", "configure", "say")
OUTCOMES = ("done", "refused", "failed")
DEFAULT_TTL_S = 60
MAX_TTL_S = 86_400
_DETAIL_MAX_CHARS = 500


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `hub_id` is set when the device is told through its hub."""

    id: UUID
    device_id: str
    hub_id: str | None
    type: str
    params: Mapping[str, Any]
    status: str
    detail: str | None
    created_by: UUID | None
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None

    @property
    def addressee(self) -> str:
        """Whose `down/command` topic it goes to; the payload then names the child in `device`."""
        return self.hub_id or self.device_id


async def enqueue(
    conn: Connection,
    device_id: str,
    type: str,
    params: Mapping[str, Any] | None = None,
    ttl_s: int = DEFAULT_TTL_S,
    created_by: UUID | None = None,
    *,
    now: datetime,
) -> Command:
    """Queue a command and wake the sender at the commit.

    Raises NotFound, Conflict("device-retired"), Conflict("device-unreachable") when neither the device nor its
    hub may connect, Invalid for an unknown type or a time to live outside 1 s to a day.
    """
    if type not in TYPES:
        raise Invalid(FieldError("type", "unknown_type", f"one of {', '.join(TYPES)}"))
    if not 1 <= ttl_s <= MAX_TTL_S:
        raise Invalid(FieldError("ttl_s", "range", f"1 to {MAX_TTL_S} seconds"))
    hub_id = await _reach(conn, device_id)
    cursor = await conn.execute(
        _queries()["insert_command"],
        {
            "id": new_id(now),
            "device_id": device_id,
            "hub_id": hub_id,
            "type": type,
            "params": Jsonb(dict(params or {})),
            "created_by": created_by,
            "now": now,
            "expires_at": now + timedelta(seconds=ttl_s),
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    command = Command(*row)
    await notify(conn, CHANNEL, str(command.id))
    return command


async def get(conn: Connection, command_id: UUID) -> Command:
    """Raises NotFound."""
    cursor = await conn.execute(_queries()["get_command"], {"id": command_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such command.")
    return Command(*row)


async def claim_queued(conn: Connection, now: datetime, limit: int = 100) -> list[Command]:
    """The oldest queued commands that nobody else sends right now, locked until the caller's transaction ends."""
    cursor = await conn.execute(_queries()["claim_queued"], {"now": now, "limit": limit})
    return [Command(*row) for row in await cursor.fetchall()]


async def free_when_idle(conn: Connection, after_s: float) -> None:
    """The server ends the caller's transaction, and frees what it locked, after so long a silence in it: a sender whose
    connection is half-open cannot even say that it gives up."""
    await conn.execute(_queries()["free_when_idle"], {"after_ms": str(round(after_s * 1000))})


async def mark_sent(conn: Connection, command_ids: Sequence[UUID], now: datetime) -> None:
    """The broker has these. Call it in the transaction that claimed them."""
    await conn.execute(_queries()["mark_sent"], {"ids": list(command_ids), "now": now})


async def finish(
    conn: Connection, publisher: str, command_id: UUID, *, outcome: str, detail: str | None = None, now: datetime
) -> bool:
    """Record what a device answered; `publisher` is the device (or hub) that published the result.

    False, and nothing changes: no such command of this publisher, or it was answered already.
    Raises Invalid for an unknown outcome.
    """
    if outcome not in OUTCOMES:
        raise Invalid(FieldError("outcome", "unknown_outcome", f"one of {', '.join(OUTCOMES)}"))
    cursor = await conn.execute(
        _queries()["finish"],
        {
            "publisher": publisher,
            "id": command_id,
            "outcome": outcome,
            "detail": None if detail is None else detail[:_DETAIL_MAX_CHARS],
            "now": now,
        },
    )
    return cursor.rowcount == 1


async def expire(conn: Connection, now: datetime) -> int:
    """Give up what was not answered in time; returns how many."""
    cursor = await conn.execute(_queries()["expire"], {"now": now})
    return cursor.rowcount


async def _reach(conn: Connection, device_id: str) -> str | None:
    """The hub to tell, None for the device itself."""
    cursor = await conn.execute(_queries()["reach"], {"id": device_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no device {device_id}.")
    hub_id, lifecycle, may_connect = row
    if lifecycle == "retired":
        raise Conflict(f"{device_id} is retired.", code="device-retired")
    if not may_connect:
        raise Conflict(f"Neither {device_id} nor a hub of it may connect to the broker.", code="device-unreachable")
    return hub_id  # type: ignore[no-any-return]


def _queries() -> Queries:
    return load_queries("registry", "queries_commands.sql")
