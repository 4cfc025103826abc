"""What every request may use, built once by the lifespan and handed on by dependency, never by a global."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.alert_view import AlertViews
from api.emergency.path import EmergencyPath
from api.live.hub import LiveHub
from api.settings import ApiSettings
from core.runtime.clock import Now
from core.runtime.crypto import Keyring
from core.store.pool import Pool
from registry.elder_search import NameIndex


@dataclass(frozen=True, slots=True)
class ApiServices:
    """`names` is the process's index of name fragments (registry.elders.list_).

    The live stream has connections of its own, `live_pool`: a flood of requests must not hold up an alert.
    """

    settings: ApiSettings
    pool: Pool
    live_pool: Pool
    keyring: Keyring
    now: Now
    views: AlertViews
    hub: LiveHub
    names: NameIndex
    emergency: EmergencyPath
    # Argon2 takes 64 MB and a core each: a flood of sign-ins must not take the machine from the alerts.
    password_checks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))


def services_of(connection: HTTPConnection) -> ApiServices:
    found = connection.app.state.services
    assert isinstance(found, ApiServices)
    return found


async def _services(connection: HTTPConnection) -> ApiServices:
    """A coroutine, as all our dependencies: any other would take a turn in a thread for each request."""
    return services_of(connection)


Services = Annotated[ApiServices, Depends(_services)]
