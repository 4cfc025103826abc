"""Who may read what of an elder's history. Vitals and the events of a home are closer to the person than an alert.

Staff who answer alerts see both; a family member what the link allows; regulators see alerts only, visitors neither.
"""

from api.alert_access import alert_reader
from api.history.store import Place
from core.errors import Forbidden, NotFound
from registry.access import OPERATORS, Scope


def may_read_vitals(scope: Scope, place: Place) -> bool:
    return scope.holds(place.centre_id, *OPERATORS) or place.id in scope.elders_shown("vitals")


def may_read_alerts(scope: Scope, place: Place) -> bool:
    return alert_reader(scope).sees(place.centre_id, place.region_code, [place.id], view="alerts")


def require_vitals(scope: Scope, place: Place) -> None:
    """Raises NotFound outside the scope (a family link without the right counts as outside), Forbidden for a role
    that knows the elder but not the vitals."""
    if not may_read_vitals(scope, place):
        raise _refusal(scope, place)


def require_any(scope: Scope, place: Place) -> None:
    """Raises NotFound or Forbidden, as above, unless some part of the history is the caller's to read."""
    if not (may_read_vitals(scope, place) or may_read_alerts(scope, place)):
        raise _refusal(scope, place)


def _refusal(scope: Scope, place: Place) -> Forbidden | NotFound:
    return Forbidden() if scope.sees(place.centre_id, place.region_code, ()) else NotFound()
