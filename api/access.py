"""Who is calling and what they may see: the only place where a request becomes a Scope.

Every route takes `Caller` (or a `Require` of roles); a test walks all routes and fails on one without it. The token
says only which account and session call. Roles and scope are read from the database in the request's own transaction,
so a role taken away is gone with the next request.
"""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from psycopg_pool import PoolTimeout

from api.alert_access import alert_reader as alert_reader
from api.database import Db
from api.problems import Problem
from api.services import ApiServices, Services
from api.tokens import AccessToken, TokenInvalid, read_access_token
from core.errors import Forbidden, NotFound, Unavailable
from core.runtime.patience import at_most
from core.store.pool import Connection, is_retryable
from registry.access import Role, Scope, load_scope

_bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", auto_error=False)
_AT_ONCE_S = 1.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="anxin"'}


async def scope_of(conn: Connection, token: AccessToken, services: ApiServices) -> Scope:
    """The scope of a valid token, read now. Raises Problem 401 when the session was ended or the account disabled."""
    scope = None
    with contextlib.suppress(NotFound):
        scope = await load_scope(conn, token.account_id, services.now(), token.session_id)
    if scope is None:
        services.emergency.scopes.refuse(token)
        raise Problem(401, "session-ended", headers=_CHALLENGE)
    services.emergency.scopes.remember(scope, services.now())
    return scope


def remembered_scope(token: AccessToken, services: ApiServices) -> Scope:
    """The scope this process last read for the token's account, while the database does not answer. Raises
    Unavailable when it has not seen the account for as long as a token lives."""
    emergency = services.emergency
    scope = emergency.scopes.scope_of(token, emergency.pulse.token_time(services.now))
    if scope is None:
        raise Unavailable
    return scope


async def current_caller(
    request: Request, conn: Db, services: Services, token: Annotated[str | None, Depends(_bearer)]
) -> Scope:
    """The caller's Scope. Raises Problem 401 (token-missing, token-invalid, token-expired, session-ended)."""
    scope = await scope_of(conn, _claims(token, services, services.now()), services)
    _note_caller(request, scope)
    return scope


async def caller_in_any_case(request: Request, services: ApiServices) -> Scope:
    """The caller's Scope from the database, or from memory when it does not answer at once. Raises Problem 401 as
    above, Unavailable for whom this process does not know."""
    token = await _bearer(request)
    claims = _claims(token, services, services.emergency.pulse.token_time(services.now))
    scope = await _scope_at_once(claims, services) or remembered_scope(claims, services)
    _note_caller(request, scope)
    return scope


async def _scope_at_once(token: AccessToken, services: ApiServices) -> Scope | None:
    async def read() -> Scope:
        async with services.live_pool.connection(timeout=_AT_ONCE_S) as conn:
            return await scope_of(conn, token, services)

    if services.emergency.degraded:
        return None
    try:
        return await at_most(_AT_ONCE_S, read())
    except (psycopg.Error, PoolTimeout, OSError) as error:
        if not (isinstance(error, PoolTimeout) or is_retryable(error)):
            raise
        return None


def _claims(token: str | None, services: ApiServices, now: datetime) -> AccessToken:
    if token is None:
        raise Problem(401, "token-missing", headers=_CHALLENGE)
    try:
        return read_access_token(token, services.settings.token_secret.get_secret_value(), now)
    except TokenInvalid as error:
        raise Problem(401, error.code, headers=_CHALLENGE) from None


def _note_caller(request: Request, scope: Scope) -> None:
    request.state.locale = scope.locale
    request.state.account_id = str(scope.account_id)


Caller = Annotated[Scope, Depends(current_caller)]


def require(*roles: Role) -> Callable[[Scope], Awaitable[Scope]]:
    """A dependency that yields the caller's Scope if it has one of `roles`, else raises Forbidden (403).

    `who: Annotated[Scope, Depends(require(Role.admin))]`
    """

    async def check(scope: Caller) -> Scope:
        if not scope.has(*roles):
            raise Forbidden
        return scope

    return check


async def request_id_of(request: Request) -> str:
    return str(request.state.request_id)


# For registry functions that write the access log.
RequestId = Annotated[str, Depends(request_id_of)]
