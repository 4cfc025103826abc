"""What every request may use, built once by the lifespan and handed on by dependency, never by a global."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.settings import ApiSettings
from core.runtime.clock import Now
from core.runtime.crypto import Keyring
from core.store.pool import Pool


@dataclass(frozen=True, slots=True)
class ApiServices:
    settings: ApiSettings
    pool: Pool
    keyring: Keyring
    now: Now
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    # Argon2 takes 64 MB and a core each: a flood of sign-ins must not take the machine from the alerts.
    password_checks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))


def services_of(connection: HTTPConnection) -> ApiServices:
    found = connection.app.state.services
    assert isinstance(found, ApiServices)
    return found


Services = Annotated[ApiServices, Depends(services_of)]
