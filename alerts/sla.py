"""How long each leg of a rescue may take, by severity (domain §4.2), and the clocks that measure it.

T0 is the receipt of the event that raised the alert; the time its severity was raised, for the legs still open then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.vocabulary import Severity


class Leg(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    CALL = "call"
    VERIFY = "verify"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    CLOSE = "close"


_MINUTE, _HOUR = 60, 3600
# Seconds; arrival as in towns. P3 is a ticket: no clock runs.
TARGETS_S: Mapping[Severity, Mapping[Leg, int]] = {
    Severity.P0: {
        Leg.ACKNOWLEDGE: 30,
        Leg.CALL: 2 * _MINUTE,
        Leg.VERIFY: 3 * _MINUTE,
        Leg.DISPATCH: 3 * _MINUTE,
        Leg.ARRIVE: 15 * _MINUTE,
        Leg.CLOSE: 24 * _HOUR,
    },
    Severity.P1: {
        Leg.ACKNOWLEDGE: 2 * _MINUTE,
        Leg.CALL: 5 * _MINUTE,
        Leg.VERIFY: 10 * _MINUTE,
        Leg.DISPATCH: 15 * _MINUTE,
        Leg.ARRIVE: 60 * _MINUTE,
        Leg.CLOSE: 24 * _HOUR,
    },
    Severity.P2: {
        Leg.ACKNOWLEDGE: 30 * _MINUTE,
        Leg.CALL: 2 * _HOUR,
        Leg.VERIFY: 4 * _HOUR,
        Leg.DISPATCH: 24 * _HOUR,
        Leg.ARRIVE: 24 * _HOUR,
        Leg.CLOSE: 72 * _HOUR,
    },
    Severity.P3: {},
}


@dataclass(frozen=True, slots=True)
class LegClock:
    """`by` is the account that ended the leg; `late` is set with `done_at`, for ever."""

    leg: Leg
    target_s: int
    due_at: datetime
    done_at: datetime | None = None
    by: str | None = None
    late: bool = False


Clocks = tuple[LegClock, ...]


def start_clocks(severity: Severity, t0: datetime) -> Clocks:
    return tuple(LegClock(leg, s, t0 + timedelta(seconds=s)) for leg, s in TARGETS_S[severity].items())


def done(clocks: Sequence[LegClock], leg: Leg, at: datetime, by: str | None) -> Clocks:
    """End `leg`; a leg that was ended before keeps its first time."""
    return tuple(
        replace(c, done_at=at, by=by, late=at > c.due_at) if c.leg is leg and c.done_at is None else c for c in clocks
    )


def retarget(clocks: Sequence[LegClock], severity: Severity, t0: datetime) -> Clocks:
    """Clocks of another severity from `t0`; legs that were ended keep how they ended."""
    ended = {clock.leg: clock for clock in clocks if clock.done_at is not None}
    fresh = start_clocks(severity, t0)
    kept = tuple(clock for leg, clock in ended.items() if leg not in TARGETS_S[severity])
    return tuple(ended.get(clock.leg, clock) for clock in fresh) + kept
