"""The scopes of the accounts that were here, for the time the database cannot be asked."""

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID

from api.tokens import AccessToken
from registry.access import Scope

MOST = 10_000


class RememberedScopes:
    """Session id -> the scope it had when it was last checked. A session that was refused is forgotten."""

    def __init__(self, kept: timedelta) -> None:
        self._kept = kept
        self._scopes: OrderedDict[UUID, tuple[datetime, Scope]] = OrderedDict()

    def remember(self, token: AccessToken, scope: Scope, now: datetime) -> None:
        self._scopes[token.session_id] = now, scope
        self._scopes.move_to_end(token.session_id)
        while len(self._scopes) > MOST:
            self._scopes.popitem(last=False)

    def forget(self, token: AccessToken) -> None:
        self._scopes.pop(token.session_id, None)

    def scope_of(self, token: AccessToken, now: datetime) -> Scope | None:
        """None when this process has not seen the session within a token's life before `now`."""
        at, scope = self._scopes.get(token.session_id, (None, None))
        if at is None or scope is None or now - at > self._kept or scope.account_id != token.account_id:
            return None
        return scope
