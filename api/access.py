"""Who is calling and what they may see: the only place where a request becomes a Scope.

Every route takes `Caller` (or a `Require` of roles); a test walks all routes and fails on one without it. The token
says only which account and session call. Roles and scope are read from the database in the request's own transaction,
so a role taken away is gone with the next request.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from api import store
from api.alert_access import alert_reader as alert_reader
from api.database import Db
from api.problems import Problem
from api.services import ApiServices, Services
from api.tokens import AccessToken, TokenInvalid, read_access_token
from core.errors import Forbidden, NotFound
from core.store.pool import Connection
from registry.access import Role, Scope, load_scope

_bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", auto_error=False)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="anxin"'}


async def scope_of(conn: Connection, token: AccessToken, services: ApiServices) -> Scope:
    """The scope of a valid token, read now. Raises Problem 401 when the session was ended or the account disabled."""
    if await store.session_revoked(conn, token.session_id):
        raise Problem(401, "session-ended", headers=_CHALLENGE)
    try:
        return await load_scope(conn, token.account_id, services.now())
    except NotFound:
        raise Problem(401, "session-ended", headers=_CHALLENGE) from None


async def current_caller(
    request: Request, conn: Db, services: Services, token: Annotated[str | None, Depends(_bearer)]
) -> Scope:
    """The caller's Scope. Raises Problem 401 (token-missing, token-invalid, token-expired, session-ended)."""
    if token is None:
        raise Problem(401, "token-missing", headers=_CHALLENGE)
    try:
        claims = read_access_token(token, services.settings.token_secret.get_secret_value(), services.now())
    except TokenInvalid as error:
        raise Problem(401, error.code, headers=_CHALLENGE) from None
    scope = await scope_of(conn, claims, services)
    request.state.locale = scope.locale
    request.state.account_id = str(scope.account_id)
    return scope


Caller = Annotated[Scope, Depends(current_caller)]


def require(*roles: Role) -> Callable[[Scope], Scope]:
    """A dependency that yields the caller's Scope if it has one of `roles`, else raises Forbidden (403).

    `who: Annotated[Scope, Depends(require(Role.admin))]`
    """

    def check(scope: Caller) -> Scope:
        if not scope.has(*roles):
            raise Forbidden
        return scope

    return check


def request_id_of(request: Request) -> str:
    return str(request.state.request_id)


# For registry functions that write the access log.
RequestId = Annotated[str, Depends(request_id_of)]
