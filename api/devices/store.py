"""The database side of devices in the API. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from core.store.pool import Connection
from core.store.queries import load_queries

_SQL = load_queries("api.devices")


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device last said of itself. `last_at` by its clock, `last_seen` by ours; `link`: online or offline."""

    id: str
    last_at: datetime
    last_seen: datetime
    battery_pct: float | None
    battery_at: datetime | None
    worn: bool | None
    worn_at: datetime | None
    link: str | None
    link_at: datetime | None


async def states(conn: Connection, device_ids: Sequence[str]) -> dict[str, DeviceState]:
    """States by device id; a device that never said anything has none. The caller has checked the scope."""
    cursor = conn.cursor(row_factory=class_row(DeviceState))
    await cursor.execute(_SQL["device_states"].encode(), {"ids": list(device_ids)})
    return {state.id: state for state in await cursor.fetchall()}
