"""Who acts on an alert: an account with the roles it holds where the alert belongs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from alerts.scope import NOTHING, alert_scope
from registry.access import OPERATORS, Role, Scope


@dataclass(frozen=True, slots=True)
class Actor:
    """`scope_params` decide which alerts exist for the actor (none without them), `works_at` what it may do where.

    `name` is the account's display name (a seat, "坐席 1"), shown as the holder's.
    """

    kind: str
    id: UUID
    roles: frozenset[str]
    name: str
    centre_ids: tuple[UUID, ...] = ()
    works_at: Mapping[UUID, frozenset[str]] = field(default_factory=dict)
    scope_params: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @classmethod
    def from_scope(cls, scope: Scope) -> "Actor":
        return cls(
            kind="account",
            id=scope.account_id,
            roles=frozenset(role.value for role in scope.roles),
            name=scope.display_name,
            centre_ids=scope.centre_ids,
            works_at={centre: frozenset(r.value for r in roles) for centre, roles in scope.works_at.items()},
            scope_params=alert_scope(scope),
        )

    def roles_at(self, centre_id: UUID) -> frozenset[str]:
        """The roles it holds for this centre; an admin is one everywhere."""
        return self.works_at.get(centre_id, frozenset()) | (self.roles & {Role.ADMIN.value})

    def is_operator_at(self, centre_id: UUID) -> bool:
        """ "operator+" of the contract."""
        return not self.roles_at(centre_id).isdisjoint(role.value for role in OPERATORS)

    def is_supervisor_at(self, centre_id: UUID) -> bool:
        return Role.SHIFT_SUPERVISOR.value in self.roles_at(centre_id)
