"""Signing in slowly after failures, and sessions: families of refresh tokens that rotate and catch a thief.

These functions open their own short transactions, unlike other routes: a failure must be remembered although the
request is refused, and no connection may be held while an attacker is made to wait.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from api import store
from api.database import request_work
from api.problems import Problem
from api.services import ApiServices
from api.tokens import AccessToken, new_refresh_token, refresh_token_hash, sign_access_token
from core.domain.ids import new_id
from core.errors import NotFound
from core.store.pool import Connection
from registry import accounts
from registry.access import load_scope

FREE_ATTEMPTS = 3
FIRST_DELAY_S = 0.25
FORGET_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str
    refresh_token: str
    expires_in: int


def delay_before(attempts: int, longest_s: float) -> float:
    """Seconds to wait before try number `attempts` is checked: none for three, then 0.25, 0.5, 1 … `longest_s`.

    It is a wait and never a lock: who knows the password gets in, however many others guessed at the same name.
    """
    if attempts <= FREE_ATTEMPTS:
        return 0.0
    return float(min(longest_s, FIRST_DELAY_S * 2.0 ** min(attempts - FREE_ATTEMPTS - 1, 20)))


async def sign_in(services: ApiServices, username: str, password: str) -> Tokens:
    """Raises Problem 401. An unknown name takes the same way and the same time as a wrong password."""
    username = username.replace("\0", "\ufffd")  # PostgreSQL takes no NUL; no account has either character
    name_hash = services.keyring.blind_index("sign_in", username)
    async with request_work(services) as conn:
        now = services.now()
        attempts = await store.count_sign_in(conn, name_hash, now, now - FORGET_AFTER)
    await asyncio.sleep(delay_before(attempts, services.settings.sign_in_delay_max_seconds))
    async with services.password_checks, request_work(services) as conn:
        account_id = await accounts.verify(conn, username, password, services.now())
    if account_id is None:
        raise Problem(401, "bad-credentials")
    async with request_work(services) as conn:
        now = services.now()
        await store.clear_sign_in(conn, name_hash)
        return await _issue(conn, services, account_id, new_id(now), now)


async def refresh(services: ApiServices, token: str) -> Tokens:
    """A new pair for a refresh token. Raises Problem 401; a token reused after its grace revokes the session."""
    async with request_work(services) as conn:
        outcome = await _rotate(conn, services, token)
    if isinstance(outcome, Problem):
        raise outcome  # after the commit: the revocation must stay
    return outcome


async def _rotate(conn: Connection, services: ApiServices, token: str) -> Tokens | Problem:
    now = services.now()
    row = await store.refresh_token_for_update(conn, refresh_token_hash(token))
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return Problem(401, "refresh-invalid")
    grace = timedelta(seconds=services.settings.refresh_grace_seconds)
    if row.rotated_at is not None and now - row.rotated_at > grace:
        await store.revoke_family(conn, row.family_id, now)
        return Problem(401, "refresh-reused")
    await store.mark_rotated(conn, row.id, now)
    try:
        return await _issue(conn, services, row.account_id, row.family_id, now)
    except NotFound:
        return Problem(401, "refresh-invalid")


async def sign_out(services: ApiServices, token: str) -> None:
    """End the session of a refresh token; an unknown one is nobody's session and no error."""
    async with request_work(services) as conn:
        row = await store.refresh_token_for_update(conn, refresh_token_hash(token))
        if row is not None:
            await store.revoke_family(conn, row.family_id, services.now())


async def _issue(conn: Connection, services: ApiServices, account_id: UUID, session_id: UUID, now: datetime) -> Tokens:
    scope = await load_scope(conn, account_id, now)
    services.emergency.scopes.remember(scope, now)
    settings = services.settings
    access = AccessToken(
        account_id, session_id, scope.scope_version, now + timedelta(seconds=settings.access_token_seconds)
    )
    secret = new_refresh_token()
    await store.insert_refresh_token(
        conn,
        id=new_id(now),
        family_id=session_id,
        account_id=account_id,
        token_hash=refresh_token_hash(secret),
        now=now,
        expires_at=now + timedelta(seconds=settings.refresh_token_seconds),
    )
    signed = sign_access_token(access, settings.token_secret.get_secret_value(), now)
    return Tokens(signed, secret, settings.access_token_seconds)
