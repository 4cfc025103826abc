"""The scopes of the accounts that were here, for the time the database cannot be asked."""

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID

from api.tokens import AccessToken
from registry.access import Scope

MOST = 10_000


class RememberedScopes:
    """Account id -> its scope when it was last read. A session that was refused stays refused."""

    def __init__(self, kept: timedelta) -> None:
        self._kept = kept
        self._scopes: OrderedDict[UUID, tuple[datetime, Scope]] = OrderedDict()
        self._refused: OrderedDict[UUID, None] = OrderedDict()

    def remember(self, scope: Scope, now: datetime) -> None:
        self._scopes[scope.account_id] = now, scope
        self._scopes.move_to_end(scope.account_id)
        while len(self._scopes) > MOST:
            self._scopes.popitem(last=False)

    def refuse(self, token: AccessToken) -> None:
        """Its session was ended or its account disabled."""
        self._refused[token.session_id] = None
        while len(self._refused) > MOST:
            self._refused.popitem(last=False)

    def scope_of(self, token: AccessToken, now: datetime) -> Scope | None:
        """None when this process has not seen the account within a token's life before `now`."""
        at, scope = self._scopes.get(token.account_id, (None, None))
        if at is None or now - at > self._kept or token.session_id in self._refused:
            return None
        return scope
