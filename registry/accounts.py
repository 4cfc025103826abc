"""Accounts: who may sign in, with which roles for which centre, region or elder, and for how long.

Every change of a role, a link, a password or the account itself raises `scope_version`, on which open sockets close.
"""

import asyncio
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import psycopg
from argon2 import PasswordHasher

from core.domain.ids import new_id
from core.errors import Conflict, FieldError, Invalid, NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import passwords
from registry.access import STAFF_ROLES, VIEWS, Role
from registry.rows import Row, fetch_all, fetch_one

_FILE = ("registry", "queries_accounts.sql")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role with what it is for: staff roles need `centre_id`, a regulator `region_code`. `until` None: for ever."""

    role: Role
    centre_id: UUID | None = None
    region_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """`display_name` is a seat's ("坐席 1"), never a private person's."""

    id: UUID
    username: str
    display_name: str
    locale: str
    scope_version: int
    disabled_at: datetime | None
    created_at: datetime
    roles: tuple[str, ...]


async def create(
    conn: Connection,
    username: str,
    password: str | None,
    roles: Iterable[RoleGrant],
    now: datetime,
    *,
    display_name: str | None = None,
    locale: str = "zh-CN",
    staff_id: UUID | None = None,
) -> tuple[Account, str]:
    """A new account and its password (made here when None is given), which nobody can read again.

    Raises Invalid for a malformed name, password or grant, Conflict `username-taken`.
    """
    if not _USERNAME.fullmatch(username):
        raise Invalid(FieldError("username", "form", "2 to 63 of a–z, 0–9, dot, dash, underscore."))
    grants = list(roles)
    for each in grants:
        check_grant(each)
    password = passwords.new_password() if password is None else password
    passwords.check(password)
    id = new_id(now)
    row: Row = {
        "id": id,
        "username": username,
        "password_hash": await passwords.hash_password(password),
        "display_name": display_name or username,
        "staff_id": staff_id,
        "locale": locale,
        "now": now,
    }
    try:
        async with conn.transaction():
            await conn.execute(load_queries(*_FILE)["insert_account"], row)
            for each in grants:
                await _insert_grant(conn, id, each, now)
    except psycopg.errors.UniqueViolation:
        raise Conflict(f"There is an account named {username} already.", code="username-taken") from None
    return await get(conn, username, now), password


def check_grant(grant: RoleGrant) -> None:
    """Raises Invalid for a staff role without a centre, a regulator without a region, or a reversed validity."""
    if grant.role in STAFF_ROLES and grant.centre_id is None:
        raise Invalid(FieldError("centre_id", "missing", f"The role {grant.role} is held at a centre."))
    if grant.role is Role.REGULATOR and grant.region_code is None:
        raise Invalid(FieldError("region_code", "missing", "A regulator watches over a region."))
    if grant.since is not None and grant.until is not None and grant.until <= grant.since:
        raise Invalid(FieldError("until", "order", "A role ends after it began."))


async def verify(conn: Connection, username: str, password: str, now: datetime) -> UUID | None:
    """The account's id when the password is right and the account is in use; else None.

    Hashes once in every case, so the time taken does not tell whether the name exists or is disabled.
    """
    row = await fetch_one(conn, load_queries(*_FILE)["credentials"], {"username": username})
    nobodys = await asyncio.to_thread(_nobodys_hash)
    stored = nobodys if row is None else row["password_hash"]
    right = await passwords.matches(stored, password)
    if row is None or not right or row["disabled_at"] is not None:
        return None
    if passwords.needs_rehash(stored):
        fresh = await passwords.hash_password(password)
        await conn.execute(load_queries(*_FILE)["rehash"], {"id": row["id"], "old": stored, "new": fresh})
    account_id: UUID = row["id"]
    return account_id


@cache
def _nobodys_hash() -> str:
    return PasswordHasher().hash(secrets.token_urlsafe())


async def get(conn: Connection, username: str, now: datetime) -> Account:
    """Raises NotFound."""
    row = await fetch_one(conn, load_queries(*_FILE)["account"], {"username": username, "now": now})
    if row is None:
        raise NotFound(f"There is no account named {username}.")
    return _account(row)


async def list_(conn: Connection, now: datetime) -> list[Account]:
    """Every account by user name, with the roles it holds now."""
    return [_account(row) for row in await fetch_all(conn, load_queries(*_FILE)["accounts"], {"now": now})]


async def disable(conn: Connection, username: str, now: datetime) -> None:
    """Refuse the account from now on: no sign-in, no refresh, open sockets close. Raises NotFound."""
    await _change(conn, "disable", username, now)


async def enable(conn: Connection, username: str, now: datetime) -> None:
    """Raises NotFound."""
    await _change(conn, "enable", username, now)


async def reset_password(conn: Connection, username: str, now: datetime, password: str | None = None) -> str:
    """A new password (made here when None is given); every signed-in session ends. Raises NotFound, Invalid."""
    password = passwords.new_password() if password is None else password
    passwords.check(password)
    await _change(conn, "reset_password", username, now, password_hash=await passwords.hash_password(password))
    return password


async def grant(conn: Connection, username: str, grant: RoleGrant, now: datetime) -> None:
    """Give a role. Raises NotFound for the account, Invalid for the grant or an unknown centre or region."""
    check_grant(grant)
    account = await get(conn, username, now)
    try:
        async with conn.transaction():
            await _insert_grant(conn, account.id, grant, now)
    except psycopg.errors.ForeignKeyViolation:
        raise Invalid(FieldError("role", "unknown", "There is no such centre or region.")) from None
    await _raise_version(conn, account.id)


async def revoke(conn: Connection, username: str, role: Role, now: datetime, centre_id: UUID | None = None) -> int:
    """End a role now, at one centre or everywhere; returns how many grants ended. Raises NotFound."""
    account = await get(conn, username, now)
    cursor = await conn.execute(
        load_queries(*_FILE)["end_grants"],
        {"account_id": account.id, "role": role.value, "centre_id": centre_id, "now": now},
    )
    await _raise_version(conn, account.id)
    return cursor.rowcount


async def link_family(
    conn: Connection, account_id: UUID, elder_id: UUID, can_view: Sequence[str], now: datetime
) -> None:
    """Let a family member follow an elder. Raises Invalid for an unknown view, Conflict `already-linked`."""
    if unknown := sorted(set(can_view) - VIEWS):
        raise Invalid(*(FieldError("can_view", "unknown", f"{view} is no view.") for view in unknown))
    params = {"id": new_id(now), "account_id": account_id, "elder_id": elder_id, "can_view": list(can_view), "now": now}
    try:
        async with conn.transaction():
            await conn.execute(load_queries(*_FILE)["insert_link"], params)
    except psycopg.errors.ExclusionViolation:
        raise Conflict("This account follows the elder already.", code="already-linked") from None
    await _raise_version(conn, account_id)


async def unlink_family(conn: Connection, account_id: UUID, elder_id: UUID, now: datetime) -> None:
    """End the link now; the row stays as history."""
    await conn.execute(load_queries(*_FILE)["end_links"], {"account_id": account_id, "elder_id": elder_id, "now": now})


async def unlink_elder(conn: Connection, elder_id: UUID, now: datetime) -> None:
    """End every family link of the elder."""
    await conn.execute(load_queries(*_FILE)["end_links"], {"account_id": None, "elder_id": elder_id, "now": now})


async def _insert_grant(conn: Connection, account_id: UUID, grant: RoleGrant, now: datetime) -> None:
    await conn.execute(
        load_queries(*_FILE)["insert_grant"],
        {
            "id": new_id(now),
            "account_id": account_id,
            "role": grant.role.value,
            "centre_id": grant.centre_id,
            "region_code": grant.region_code,
            "since": grant.since,
            "until": grant.until,
        },
    )


async def _change(conn: Connection, statement: str, username: str, now: datetime, **more: str) -> None:
    row = await fetch_one(conn, load_queries(*_FILE)[statement], {"username": username, "now": now, **more})
    if row is None:
        raise NotFound(f"There is no account named {username}.")
    if statement != "enable":
        await conn.execute(load_queries(*_FILE)["revoke_tokens"], {"account_id": row["id"], "now": now})


async def _raise_version(conn: Connection, account_id: UUID) -> None:
    await conn.execute(load_queries(*_FILE)["raise_version"], {"id": account_id})


def _account(row: Row) -> Account:
    return Account(**{**row, "roles": tuple(row["roles"])})
