"""Who sees which alerts: the scope of registry/access, and responders the alerts they were dispatched to."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from registry.access import Role, Scope

# No dispatch is like this one, so it opens nothing.
_NOBODY = json.dumps([{"responder_id": "nobody"}])

# The scope of somebody who sees no alert.
NOTHING: Mapping[str, Any] = {
    "scope_everything": False,
    "scope_centres": [],
    "scope_regions": [],
    "scope_elders": [],
    "dispatched_to": _NOBODY,
}


def alert_scope(scope: Scope) -> dict[str, Any]:
    """The parameters that every scoped statement of alerts/store takes. Families see what their link allows."""
    mine = [{"responder_id": str(scope.account_id)}]
    dispatched_to = json.dumps(mine) if scope.has(Role.RESPONDER) else _NOBODY
    return {**scope.sql_params(view="alerts"), "dispatched_to": dispatched_to}


def completed(scope_params: Mapping[str, Any]) -> dict[str, Any]:
    """Scope parameters from elsewhere, which know nothing of dispatches."""
    return {"dispatched_to": _NOBODY, **scope_params}


def sees(
    scope: Scope, alert: Mapping[str, Any], *, centre_id: UUID, region_code: str, elder_ids: Iterable[UUID]
) -> bool:
    """The same predicate for a live frame; `alert` in the contract's form."""
    if scope.sees(centre_id, region_code, elder_ids, view="alerts"):
        return True
    me = str(scope.account_id)
    return scope.has(Role.RESPONDER) and any(d["responder_id"] == me for d in alert["dispatches"])
