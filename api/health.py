"""What /readyz asks: the database, the broker, and whether the alert engine still goes round."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta

from api import store
from api.services import ApiServices
from core.runtime.mqtt_url import parse_broker_url
from core.runtime.status import Check

_AWAY = "the database does not answer; emergencies still ring"


def checks(services: ApiServices) -> Mapping[str, Check]:
    return {
        "database": lambda: _database(services),
        "broker": lambda: _broker(services),
        "engine": lambda: _engine(services),
    }


async def _database(services: ApiServices) -> str | None:
    if services.emergency.degraded:
        return _AWAY  # asking again would only wait
    async with services.pool.connection() as conn:
        await store.ping(conn)
    return None


async def _broker(services: ApiServices) -> str | None:
    """A TCP connection is enough here: ingest's own readiness says whether a session works."""
    address = parse_broker_url(services.settings.mqtt_url.get_secret_value())
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError as error:
        return f"no connection: {error.strerror or type(error).__name__}"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


async def _engine(services: ApiServices) -> str | None:
    if services.emergency.degraded:
        return _AWAY
    async with services.pool.connection() as conn:
        at = await store.newest_pulse(conn, "engine")
    if at is None:
        return "the engine has never reported a cycle"
    age = services.now() - at
    limit = timedelta(seconds=services.settings.engine_cycle_max_seconds)
    return None if age <= limit else f"last cycle {age.total_seconds():.0f} s ago"
