"""Which alerts a caller sees and as whom they act: the one place for lists, rows, actions and live frames."""

from dataclasses import replace
from typing import Any

from alerts.actor import Actor
from alerts.scope import alert_scope
from alerts.scope import sees as sees_alert
from alerts.store import FeedEvent
from registry.access import Scope


def alert_reader(scope: Scope) -> Scope:
    """The part of a scope that shows alerts: nothing for roles that may not read them, such as visitors.

    A responder keeps what was dispatched to them, which is not a matter of scope (alerts/scope.py).
    """
    if scope.may("alerts.read"):
        return scope
    return replace(scope, everything=False, centre_ids=(), region_prefixes=(), elder_ids=())


def alert_params(scope: Scope) -> dict[str, Any]:
    """Parameters of every alert query of this caller."""
    return alert_scope(alert_reader(scope))


def sees(scope: Scope, event: FeedEvent) -> bool:
    """Whether an alert event goes to this caller's live stream: the rule of `alert_params`, for a frame."""
    return sees_alert(
        scope, event.alert, centre_id=event.centre_id, region_code=event.region_code, elder_ids=event.elder_ids
    )


def actor_of(scope: Scope) -> Actor:
    """The caller as the life cycle of alerts knows them."""
    return Actor.from_scope(alert_reader(scope))
