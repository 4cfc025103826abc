"""A person's action on a stored alert: lock, decide (lifecycle.py), write, all in the caller's transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from alerts import ledger, lifecycle
from alerts.actor import Actor
from alerts.bodies import dispatch_target
from alerts.model import Alert
from alerts.vocabulary import Action
from core.errors import Conflict, FieldError, Invalid
from core.store.pool import Connection

__all__ = ["Actor", "act"]


async def act(
    conn: Connection, alert_id: UUID, action: str, body: Mapping[str, Any], actor: Actor, *, now: datetime
) -> Alert:
    """The alert after `action`; unchanged when the same person had done it already.

    Raises NotFound (no such alert in the actor's scope, no such action), Forbidden, AlertHeld, Conflict and Invalid.
    Takes the counter: do nothing slow between this call and the commit.
    """
    alert = await ledger.lock_one(conn, alert_id, actor.scope_params)
    change = lifecycle.act(alert, action, actor, body, now)
    if change is None:
        return alert
    await _check_others(conn, alert, action, body, now)
    [written] = await ledger.write_changes(conn, [change], now)
    return written.alert


async def _check_others(conn: Connection, alert: Alert, action: str, body: Mapping[str, Any], now: datetime) -> None:
    """The checks that need more than this alert."""
    if action == Action.DISPATCH:
        responder, _ = dispatch_target(body)
        if responder is not None and not await ledger.is_responder(conn, responder, now):
            raise Invalid(FieldError("responder_id", "unknown_responder", "This account is not a responder."))
    if action == Action.REOPEN and await ledger.live_elsewhere(conn, alert.id):
        raise Conflict("A newer alert of the same kind is live. Work on that one.", code="newer-alert-live")
