"""Who may read what of an elder's history. Vitals and the events of a home are closer to the person than an alert.

Staff who answer alerts see both; a family member what the link allows; visitors and regulators see alerts only.
"""

from api.history.store import Place
from core.errors import Forbidden, NotFound
from registry.access import OPERATORS, Scope


def may_read_vitals(scope: Scope, place: Place) -> bool:
    return scope.holds(place.centre_id, *OPERATORS) or place.id in scope.elders_shown("vitals")


def may_read_alerts(scope: Scope, place: Place) -> bool:
    return scope.sees(place.centre_id, place.region_code, [place.id], view="alerts")


def require_vitals(scope: Scope, place: Place) -> None:
    """Raises NotFound outside the scope (a family link without the right counts as outside), Forbidden for a role
    that knows the elder but not the vitals."""
    if may_read_vitals(scope, place):
        return
    if scope.sees(place.centre_id, place.region_code, ()):
        raise Forbidden
    raise NotFound


def require_any(scope: Scope, place: Place) -> None:
    """Raises NotFound unless some part of the history is the caller's to read."""
    if not (may_read_vitals(scope, place) or may_read_alerts(scope, place)):
        raise NotFound
