"""What a rule says about one event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alerts.model import Evidence
from alerts.occurrence import Occurrence
from alerts.vocabulary import Severity


class Effect(StrEnum):
    CRY = "cry"  # opens an alert, or presses the live one: every further one rings again
    STATE = "state"  # opens an alert; on a live one only a worse state is news
    CLEAR = "clear"  # the condition is over
    ELDER_OK = "elder_ok"  # "I am fine": answers falls of the same elder, opens nothing


@dataclass(frozen=True, slots=True)
class Finding:
    """`about_device`: the alert's subject is the device itself, not the person it is bound to.

    `confirm_window`: how long the elder may still say that nothing happened before a person is called.
    """

    rule: str
    effect: Effect
    severity: Severity = Severity.P3
    rule_version: int = 1
    about_device: bool = False
    confirm_window: timedelta | None = None


# A rule reads one event; None: not its business, or nothing to say.
SingleEventRule = Callable[[Occurrence], Finding | None]


def no_boost(_evidence: Sequence[Evidence]) -> bool:
    return False
