"""Who sees what, in one place: roles, the scope of an account, and the one SQL predicate every scoped query carries.

Admins see everything; the staff of a centre what belongs to it; a regulator its region and all below; a family
member the elders linked to it. Responders see nothing through their scope: an alert dispatched to them is theirs by
the dispatch (alerts/store), so `works_at` names their centre while `centre_ids` does not.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from core.errors import NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import region_codes


class Role(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    SHIFT_SUPERVISOR = "shift_supervisor"
    RESPONDER = "responder"
    VISITOR = "visitor"
    FAMILY_MEMBER = "family_member"
    REGULATOR = "regulator"


# "operator+" of the contract: whoever may take an alert.
OPERATORS = frozenset({Role.ADMIN, Role.OPERATOR, Role.SHIFT_SUPERVISOR})
# Roles whose scope is the whole centre they are given for.
CENTRE_ROLES = frozenset({Role.OPERATOR, Role.SHIFT_SUPERVISOR, Role.VISITOR})
STAFF_ROLES = CENTRE_ROLES | {Role.RESPONDER}

VIEWS = frozenset({"alerts", "vitals", "location", "visits", "orders", "bills"})

_PERMISSIONS: Mapping[Role, frozenset[str]] = {
    Role.ADMIN: frozenset(
        {
            "accounts.write",
            "alerts.act",
            "alerts.read",
            "devices.command",
            "devices.read",
            "devices.write",
            "elders.read",
            "elders.reveal",
            "elders.write",
            "readings.read",
        }
    ),
    Role.OPERATOR: frozenset(
        {
            "alerts.act",
            "alerts.read",
            "devices.command",
            "devices.read",
            "elders.read",
            "elders.reveal",
            "elders.write",
            "readings.read",
        }
    ),
    Role.RESPONDER: frozenset({"alerts.read_dispatched", "alerts.arrive"}),
    Role.VISITOR: frozenset({"elders.read"}),
    Role.FAMILY_MEMBER: frozenset({"alerts.read", "elders.read", "readings.read"}),
    Role.REGULATOR: frozenset({"alerts.read", "elders.read"}),
}


def permissions_of(roles: Iterable[Role]) -> frozenset[str]:
    """What these roles may do, as stable words that `GET /me` shows and routes ask for."""
    granted: set[str] = set()
    for role in roles:
        if role is Role.SHIFT_SUPERVISOR:
            granted |= _PERMISSIONS[Role.OPERATOR] | {"alerts.takeover"}
        else:
            granted |= _PERMISSIONS[role]
    return frozenset(granted)


@dataclass(frozen=True, slots=True)
class Scope:
    """What one account may see, as of one moment. `scope_version` tells whether it is still current."""

    account_id: UUID
    username: str
    display_name: str
    locale: str
    roles: frozenset[Role]
    everything: bool = False
    centre_ids: tuple[UUID, ...] = ()
    region_prefixes: tuple[str, ...] = ()
    elder_ids: tuple[UUID, ...] = ()
    can_view: dict[UUID, frozenset[str]] = field(default_factory=dict)
    scope_version: int = 1
    works_at: dict[UUID, frozenset[Role]] = field(default_factory=dict)

    def has(self, *roles: Role | str) -> bool:
        """Whether the account holds any of `roles`."""
        return any(Role(role) in self.roles for role in roles)

    def holds(self, centre_id: UUID, *roles: Role | str) -> bool:
        """Whether the account holds any of `roles` for this centre; an admin holds its own role everywhere."""
        held = self.works_at.get(centre_id, frozenset()) | (self.roles & {Role.ADMIN})
        return any(Role(role) in held for role in roles)

    @property
    def permissions(self) -> tuple[str, ...]:
        return tuple(sorted(permissions_of(self.roles)))

    def may(self, permission: str) -> bool:
        return permission in permissions_of(self.roles)

    def elders_shown(self, view: str | None = None) -> tuple[UUID, ...]:
        """Elders seen by a family link; with `view` ("alerts", "vitals", …) only those whose link allows it."""
        if view is None:
            return self.elder_ids
        return tuple(id for id in self.elder_ids if view in self.can_view.get(id, frozenset()))

    def sees(self, centre_id: UUID, region_code: str, elder_ids: Iterable[UUID], *, view: str | None = None) -> bool:
        """The predicate of `scope_sql` in Python: every live frame and every row check asks it."""
        return (
            self.everything
            or centre_id in self.centre_ids
            or region_code.startswith(self.region_prefixes)
            or not set(self.elders_shown(view)).isdisjoint(elder_ids)
        )

    def sql_params(self, *, view: str | None = None) -> dict[str, Any]:
        """The four parameters of the predicate; merge them with a query's own."""
        return {
            "scope_everything": self.everything,
            "scope_centres": list(self.centre_ids),
            "scope_regions": [f"{prefix}%" for prefix in self.region_prefixes],
            "scope_elders": list(self.elders_shown(view)),
        }


def scope_sql(centre: str, region: str, elder: str) -> str:
    """The predicate over three SQL expressions: centre id, region code, and an elder id or (`…[]`) an array of them."""
    if elder.endswith("[]"):
        of_elder = f"{elder.removesuffix('[]')} && %(scope_elders)s::uuid[]"
    else:
        of_elder = f"{elder} = ANY(%(scope_elders)s::uuid[])"
    return (
        f"(%(scope_everything)s OR {centre} = ANY(%(scope_centres)s::uuid[])"
        f" OR {region} LIKE ANY(%(scope_regions)s::text[]) OR {of_elder})"
    )


SCOPE_SQL = scope_sql("centre_id", "region_code", "elder_id")

_MARK = re.compile(r":scope\(([^(),]+),\s*([^(),]+),\s*([^(),]+)\)")


def scoped(sql: str) -> str:
    """Put the predicate where a statement says `:scope(centre, region, elder)`, e.g. `:scope(a.centre_id,
    a.region_code, a.elder_ids[])`. Raises ValueError for a statement without the mark: it would show everything."""
    text, marks = _MARK.subn(lambda m: scope_sql(m[1].strip(), m[2].strip(), m[3].strip()), sql)
    if not marks:
        raise ValueError("a scoped statement carries :scope(centre, region, elder)")
    return text


async def load_scope(conn: Connection, account_id: UUID, now: datetime, session: UUID | None = None) -> Scope:
    """The account's scope at `now`. Raises NotFound when there is no such account, it is disabled, or `session` (of a
    sign-in, where the caller holds one) was ended."""
    query = load_queries("registry", "queries_access.sql")["account_for_scope"]
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(query.encode(), {"account_id": account_id, "now": now, "session": session})
    account = await cursor.fetchone()
    if account is None or account["disabled_at"] is not None:
        raise NotFound("There is no such account, or it is disabled, or signed out.")
    return build_scope(account, map(_assignment, account["assignments"]), map(_link, account["links"]))


def _assignment(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "centre_id": None if row["centre_id"] is None else UUID(row["centre_id"])}


def _link(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "elder_id": UUID(row["elder_id"])}


def build_scope(
    account: Mapping[str, Any], assignments: Iterable[Mapping[str, Any]], links: Iterable[Mapping[str, Any]]
) -> Scope:
    """Scope from rows: account (id, username, …), assignments (role, centre_id, region_code) and links (elder_id,
    can_view), all valid now. A family link counts only together with the role family_member."""
    works_at: dict[UUID, frozenset[Role]] = {}
    roles: set[Role] = set()
    prefixes: set[str] = set()
    for row in assignments:
        role = Role(row["role"])
        roles.add(role)
        if role in STAFF_ROLES:
            works_at[row["centre_id"]] = works_at.get(row["centre_id"], frozenset()) | {role}
        if role is Role.REGULATOR:
            prefixes.add(region_codes.prefix(row["region_code"]))
    can_view = {row["elder_id"]: frozenset(row["can_view"]) for row in links} if Role.FAMILY_MEMBER in roles else {}
    return Scope(
        account_id=account["id"],
        username=account["username"],
        display_name=account["display_name"],
        locale=account["locale"],
        roles=frozenset(roles),
        everything=Role.ADMIN in roles,
        centre_ids=tuple(sorted(centre for centre, held in works_at.items() if held & CENTRE_ROLES)),
        region_prefixes=tuple(sorted(prefixes)),
        elder_ids=tuple(sorted(can_view)),
        can_view=can_view,
        scope_version=account["scope_version"],
        works_at=works_at,
    )
