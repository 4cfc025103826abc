"""What people do to an alert: the contract's action table (contract §2) as data, and one pure function for each row.

docs/adr/0005 lists where the table leaves a choice. What devices and clocks do is in signals.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from alerts import bodies
from alerts.actor import Actor
from alerts.model import Alert, AlertChange, AlertEvent, Dispatch, Owner
from alerts.signals import changed
from alerts.sla import Leg, done, start_clocks
from alerts.vocabulary import (
    FALSE_CODES,
    HELD,
    LIVE,
    REOPEN_WITHIN,
    Action,
    ActorKind,
    CallResult,
    EventKind,
    Severity,
    Status,
    Verdict,
)
from core.errors import AlertHeld, Conflict, Forbidden, NotFound

Body = Mapping[str, Any]
Handler = Callable[[Alert, Actor, Body, datetime], AlertChange | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `who`: operator (operator and above), holder, responder_or_holder, anyone (in scope)."""

    action: Action
    origins: frozenset[Status]
    who: str
    event: EventKind
    handler: Handler


def act(alert: Alert, action: str, actor: Actor, body: Body, now: datetime) -> AlertChange | None:
    """Do `action`; None when it was done already by the same person, which is no news.

    Raises NotFound (no such action), Forbidden (role), AlertHeld (another holds it), Conflict (`wrong-status`,
    `not-held`, `reopen-too-late`) and Invalid (the body), in this order.
    """
    row = TABLE.get(action)
    if row is None:
        raise NotFound(f"There is no action {action!r}.")
    _check_role(row, alert, actor)
    if action == Action.ACKNOWLEDGE and alert.status in HELD and alert.owner is not None:
        if alert.owner.id == actor.id:
            return None
        raise AlertHeld(alert.owner.name, alert.owner.since)
    if alert.status not in row.origins:
        raise Conflict(f"An alert that is {alert.status} can't be changed by {action}.", code="wrong-status")
    if row.who == "holder":
        _check_holder(alert, actor)
    return row.handler(alert, actor, body, now)


def _check_role(row: Row, alert: Alert, actor: Actor) -> None:
    """Holders are operators, too: an account that lost the role lost what it held."""
    operator = actor.is_operator_at(alert.centre_id)
    responder = row.who == "responder_or_holder" and _was_sent(alert, actor)
    if not (operator or responder or row.who == "anyone"):
        raise Forbidden


def _check_holder(alert: Alert, actor: Actor) -> None:
    if alert.owner is None:
        raise Conflict("Nobody holds this alert. Acknowledge it first.", code="not-held")
    if alert.owner.id != actor.id:
        raise AlertHeld(alert.owner.name, alert.owner.since)


def _was_sent(alert: Alert, actor: Actor) -> bool:
    return any(dispatch.responder_id == actor.id for dispatch in alert.dispatches)


def _by(actor: Actor, kind: EventKind, now: datetime, **detail: Any) -> AlertEvent:
    told = {name: value for name, value in detail.items() if value is not None}
    return AlertEvent(kind, now, ActorKind.ACCOUNT, str(actor.id), told)


def _acknowledge(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    # Taking a fall whose elder still had time to answer ends the waiting: a person looks now.
    clocks = alert.clocks or start_clocks(alert.severity, alert.opened_at)
    return changed(
        alert,
        # Set by the platform alone: it was taken before it could be written down, under this id.
        _by(actor, EventKind.ACKNOWLEDGED, now, provisional_id=body.get("provisional_id")),
        status=Status.ACKNOWLEDGED,
        owner=Owner(actor.id, actor.name, now),
        clocks=done(clocks, Leg.ACKNOWLEDGE, now, str(actor.id)),
        confirm_due_at=None,
    )


def _release(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    event = _by(actor, EventKind.RELEASED, now, reason=bodies.optional_text(body, "reason"))
    return changed(alert, event, status=Status.OPEN, owner=None)


def _takeover(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange | None:
    reason = bodies.optional_text(body, "reason")
    holder = alert.owner
    if holder is not None and holder.id == actor.id:
        return None
    if holder is not None and not actor.is_supervisor_at(alert.centre_id) and not holder.lost(now):
        raise AlertHeld(holder.name, holder.since)
    before = None if holder is None else str(holder.id)
    event = _by(actor, EventKind.TAKEN_OVER, now, reason=reason, **{"from": before})
    return changed(alert, event, owner=Owner(actor.id, actor.name, now))


def _assist(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    return changed(alert, _by(actor, EventKind.ASSISTED, now, reason=bodies.optional_text(body, "reason")))


def _call(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    party = bodies.required_text(body, "party", longest=bodies.MAX_WORD)
    result = bodies.choice(body, "result", CallResult)
    # A call to somebody already on the way must not make the case forget that help was sent.
    status = Status.VERIFYING if alert.status is Status.ACKNOWLEDGED else alert.status
    clocks = done(alert.clocks, Leg.CALL, now, str(actor.id))
    return changed(alert, _by(actor, EventKind.CALLED, now, party=party, result=result), status=status, clocks=clocks)


def _verify(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    result = bodies.choice(body, "result", Verdict)
    event = _by(actor, EventKind.VERIFIED, now, result=result)
    clocks = done(alert.clocks, Leg.VERIFY, now, str(actor.id))
    return changed(alert, event, status=Status.VERIFYING, verified=result, clocks=clocks)


def _dispatch(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    responder, service = bodies.dispatch_target(body)
    sent = Dispatch(requested_at=now, by=str(actor.id), responder_id=responder, service=service)
    told = {"responder_id": None if responder is None else str(responder), "service": service}
    return changed(
        alert,
        _by(actor, EventKind.DISPATCHED, now, **told),
        status=Status.DISPATCHED,
        dispatches=(*alert.dispatches, sent),
        clocks=done(alert.clocks, Leg.DISPATCH, now, str(actor.id)),
    )


def _arrive(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    """A responder arrives itself; the holder reports the arrival of whoever was sent first and is not there yet."""
    sent = _was_sent(alert, actor)
    if not sent:
        _check_holder(alert, actor)
    proof = bodies.proof(body)
    there = next(
        (
            n
            for n, d in enumerate(alert.dispatches)
            if d.arrived_at is None and (not sent or d.responder_id == actor.id)
        ),
        None,
    )
    dispatches = tuple(replace(d, arrived_at=now) if n == there else d for n, d in enumerate(alert.dispatches))
    return changed(
        alert,
        _by(actor, EventKind.ARRIVED, now, proof=proof),
        status=Status.ON_SCENE,
        dispatches=dispatches,
        clocks=done(alert.clocks, Leg.ARRIVE, now, str(actor.id)),
    )


def _resolve(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    outcome = bodies.required_text(body, "outcome", longest=bodies.MAX_WORD)
    note = bodies.optional_text(body, "note")
    return changed(
        alert,
        _by(actor, EventKind.RESOLVED, now, outcome=outcome, note=note),
        status=Status.RESOLVED,
        outcome=outcome,
        note=note or alert.note,
        resolved_at=now,
        clocks=done(alert.clocks, Leg.VERIFY, now, str(actor.id)),  # whoever resolves has decided
    )


def _close(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    code, note = bodies.close_code(body), bodies.required_text(body, "note")
    reason = bodies.optional_text(body, "reason")
    if alert.severity is Severity.P0 and was_false(alert, code) and alert.owner and alert.owner.id == actor.id:
        raise Forbidden("A false P0 is closed by another person than its holder.")
    return changed(
        alert,
        _by(actor, EventKind.CLOSED, now, code=code, note=note, reason=reason),
        status=Status.CLOSED,
        close_code=code,
        note=note,
        closed_at=now,
        clocks=done(alert.clocks, Leg.CLOSE, now, str(actor.id)),
    )


def was_false(alert: Alert, code: str) -> bool:
    """Whether anybody said that nobody was in need: the verdict, the outcome or the code."""
    words = {code, alert.outcome or ""}
    return alert.verified == Verdict.FALSE or bool(words & FALSE_CODES) or any(w.startswith("false") for w in words)


def _reopen(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    assert alert.closed_at is not None
    if now - alert.closed_at > REOPEN_WITHIN:
        raise Conflict("An alert can be reopened for 24 hours after it was closed.", code="reopen-too-late")
    reason = bodies.required_text(body, "reason")
    return changed(
        alert,
        _by(actor, EventKind.REOPENED, now, reason=reason, close_code=alert.close_code),
        status=Status.OPEN,
        owner=None,
        verified=None,
        outcome=None,
        close_code=None,
        resolved_at=None,
        closed_at=None,
        clocks=start_clocks(alert.severity, now),
    )


def _note(alert: Alert, actor: Actor, body: Body, now: datetime) -> AlertChange:
    return changed(alert, _by(actor, EventKind.NOTED, now, text=bodies.required_text(body, "text")))


_A, _S, _E = Action, Status, EventKind
_DECIDING = frozenset({_S.ACKNOWLEDGED, _S.VERIFYING})
_ROWS = (
    Row(_A.ACKNOWLEDGE, frozenset({_S.PENDING_CONFIRM, _S.OPEN}), "operator", _E.ACKNOWLEDGED, _acknowledge),
    Row(_A.RELEASE, HELD, "holder", _E.RELEASED, _release),
    Row(_A.TAKEOVER, HELD, "operator", _E.TAKEN_OVER, _takeover),
    Row(_A.ASSIST, HELD, "operator", _E.ASSISTED, _assist),
    Row(_A.CALL, HELD, "holder", _E.CALLED, _call),
    Row(_A.VERIFY, _DECIDING, "holder", _E.VERIFIED, _verify),
    Row(_A.DISPATCH, _DECIDING | {_S.DISPATCHED}, "holder", _E.DISPATCHED, _dispatch),
    Row(_A.ARRIVE, frozenset({_S.DISPATCHED}), "responder_or_holder", _E.ARRIVED, _arrive),
    Row(_A.RESOLVE, LIVE, "holder", _E.RESOLVED, _resolve),
    Row(_A.CLOSE, frozenset({_S.RESOLVED}), "operator", _E.CLOSED, _close),
    Row(_A.REOPEN, frozenset({_S.CLOSED}), "operator", _E.REOPENED, _reopen),
    Row(_A.NOTE, frozenset(Status), "anyone", _E.NOTED, _note),
)
TABLE: Mapping[str, Row] = {row.action.value: row for row in _ROWS}
