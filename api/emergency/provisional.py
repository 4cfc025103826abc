"""An alert that is not stored: made by the rules and transitions of every other alert, kept in this process. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from alerts import lifecycle
from alerts.actor import Actor
from alerts.fold import Book, apply
from alerts.model import Alert, as_contract
from alerts.vocabulary import Action, Status
from api.emergency.hearing import CryKey, Heard

Json = dict[str, Any]

_SPACE = UUID("6f1c1d5e-52f4-5a0c-9d0e-0c6b5a1f7a11")


def provisional_id(key: CryKey) -> UUID:
    """The same for every process and for ever: what is stored later can be matched by whoever was told before."""
    return uuid5(_SPACE, "\0".join(key))


@dataclass(frozen=True, slots=True)
class Claim:
    """Who took it while it could not be written down, and when."""

    account_id: UUID
    at: datetime


@dataclass(slots=True, eq=False)
class Provisional:
    """The cries of one subject and rule that are not stored yet. Its id is that of the first of them.

    `unstored`: key -> (cry, when it rang by the loop's clock). `stored_as`: the alert that the first of them became.
    """

    alert: Alert
    unstored: dict[CryKey, tuple[Heard, float]] = field(default_factory=dict)
    claim: Claim | None = None
    stored_as: UUID | None = None

    @property
    def id(self) -> UUID:
        return self.alert.id

    def press(self, heard: Heard, at: float, now: datetime) -> None:
        """A further cry rings again, whoever holds it."""
        change = apply(Book([self.alert]), [heard.hit], now)[-1]
        self.alert = change.alert
        self.unstored[heard.key] = heard, at

    def acknowledge(self, actor: Actor, now: datetime) -> None:
        """Raises what the same action on a stored alert raises: Forbidden, AlertHeld, Conflict."""
        change = lifecycle.act(self.alert, Action.ACKNOWLEDGE, actor, {}, now)
        if change is not None:
            self.alert, self.claim = change.alert, Claim(actor.id, now)

    def as_contract(self, now: datetime) -> Json:
        return {**as_contract(self.alert, now), "stored": False, "provisional_id": str(self.id)}

    def ended(self, now: datetime, code: str, *, stored: bool) -> Json:
        """The last word to a screen that will not hear of the stored alert: the row is over."""
        closed = replace(
            self.alert, version=self.alert.version + 1, status=Status.CLOSED, close_code=code, closed_at=now
        )
        return {**as_contract(closed, now), "stored": stored, "provisional_id": str(self.id)}


def begin(heard: Heard, at: float, now: datetime) -> Provisional:
    opened = apply(Book(()), [heard.hit], now)[0].alert
    return Provisional(replace(opened, id=provisional_id(heard.key)), {heard.key: (heard, at)})
