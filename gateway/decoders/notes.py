"""Notes on one message: collects events, non-events and refusals of one device while its decoder reads.

The three ways to say something differ in what counts as news:

- `happened` is news each time the device says it (a press, a fall), except the same alarm resent within a minute;
- `state` is news when it differs from what was told last (a door, occupancy): a repeated state is no movement;
- `measured` is news each time, or, behind a bridge that repeats its cache, when it differs or is an hour old.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from core.domain.event_types import EVENT_TYPE_BY_NAME
from core.domain.values import OUT_OF_RANGE
from gateway.decoders.heard import Event, Heard, Memory, NonEvent, Refusal, Told

# A device that got no answer sends its alarm again within seconds. A minute later the same bytes ring again: its
# clock may stand still, and a press that is taken for an old one is lost.
RESENT_WITHIN = timedelta(seconds=60)
_HAPPENED = "happened: "  # how the names of such memories begin
# Several messages about one press, whatever they call it, come within this time.
PRESS_LASTS = timedelta(seconds=2)
# An alarm bit that stands in every status of a talkative device is one alarm as long as it is heard so often.
STANDING_FOR = timedelta(minutes=10)
# A cached value that stays the same is told again so often: a chart without points looks like a dead sensor.
MEASURED_AGAIN = timedelta(hours=1)
# Rules count samples of these (domain §6.2): the same pulse again is a measurement again.
SAMPLED_AGAIN = timedelta(seconds=10)
_HAZARDS = frozenset({"smoke", "gas", "carbon_monoxide_alarm", "water_leak"})
_SAMPLED = frozenset({"heart_rate", "spo2", "respiratory_rate", "body_temperature", "carbon_monoxide"})
# The contract's window around the time of receipt.
OLDEST, NEWEST = timedelta(days=30), timedelta(minutes=5)
# A battery that only says "low", or "low" beside a percentage that is none. At 10 % somebody is told (domain §6.3 B7).
LOW_BATTERY_PCT, LOW_BATTERY_BELOW_PCT = 10, 20

# What devices send for "not measured" (domain §6.2, contract §1).
SENTINELS: Mapping[str, frozenset[float]] = {
    "heart_rate": frozenset({0, 1, 255}),
    "spo2": frozenset({0, 1, 50, 255}),
    "respiratory_rate": frozenset({0, 255}),
    "body_temperature": frozenset({0, 255}),
    "glucose": frozenset({0}),
    "battery": frozenset({-1, 255}),
}


class Notes:
    """`cached`: the messages come from a bridge that repeats what it knows. `seldom`: the device may be silent for
    hours, so an alarm it told stands until it says that it is over. See the module for the rest."""

    def __init__(
        self, device: str | None, memory: Memory, now: datetime, *, cached: bool = False, seldom: bool = False
    ) -> None:
        self.device, self.now, self.cached = device, now, cached
        self._stands_for = timedelta.max if cached or seldom else STANDING_FOR
        self.alive = True
        self.part = ""  # which of several sensors behind one memory is spoken of
        self._memory, self._told = memory, dict(memory.told)
        self._events: list[Event] = []
        self._non_events: list[NonEvent] = []
        self._refusals: list[Refusal] = []
        self._at: datetime | None = None
        self._stored = False

    # -- when -----------------------------------------------------------------------------------------------------

    def at(self, stated: datetime | None, *, stored: bool = False) -> None:
        """What follows happened at this time by the device's clock; `stored`: it was kept while there was no line.

        A live message with an impossible clock is of now: its events carry no time. A stored one keeps what it says,
        and the platform refuses it or marks its alarm.
        """
        plausible = stated is not None and -OLDEST <= stated - self.now <= NEWEST
        self._at = stated if plausible or stored else None
        self._stored = stored
        if stated is not None and not plausible:
            self.named(NonEvent.WRONG_CLOCK)

    @property
    def moment(self) -> datetime:
        return self._at or self.now

    # -- what -----------------------------------------------------------------------------------------------------

    def happened(self, kind: str, value: Any = None, *, suspect: bool = False, mark: Any = None) -> None:
        """`mark` tells two alarms of the same second apart (a serial number)."""
        same = f"{_HAPPENED}{kind} {self._at} {value} {mark}"
        known = self._known(same)
        if self._at is not None and known and self.now - known.at < RESENT_WITHIN:
            self.named(NonEvent.RESENT)
            return
        self.remember(same, None)
        self._keep(f"!{kind}", True, self.moment)
        self._add(kind, value, suspect=suspect)

    def stands(self, kind: str, value: Any = None, *, set_: bool, clears: bool = False) -> None:
        """An alarm as a bit of every status: it rings when it is set, not as long as it stands.

        `clears`: that the bit is gone is news too (the opposite of a boolean value).
        """
        known = self._known(f"!{kind}")
        close = known is not None and abs(self.moment - known.at) <= self._stands_for
        if not set_:
            if known and known.value and not self._stored and self.moment >= known.at:
                self._keep(f"!{kind}", False, known.at)
                if clears:
                    self._add(kind, not value)
        elif known and close and (known.value or self._stored):
            self._keep(f"!{kind}", known.value, max(self.moment, known.at))
            self.named(NonEvent.STANDING)
        else:
            self._keep(f"!{kind}", True, self.moment)
            self._add(kind, value)

    def pressed(self, name: str, *, calls: bool) -> None:
        """A press of a button, by the name its bridge gives it. `calls`: this button is there to call for help."""
        known = self._known("press")
        if known and self.now - known.at < PRESS_LASTS:
            self.named(NonEvent.REPEAT)
            return
        self.remember("press", name)
        if self._memory.call_button or (calls and self._memory.call_button is None):
            self._add("sos", None)
        else:
            self.named(NonEvent.INPUT)

    def state(self, kind: str, value: Any, *, holds: timedelta | None = None) -> None:
        """`holds`: a sensor that never says "over" is quiet after this long."""
        known = self._known(kind)
        if known and known.value == value and (holds is None or self.moment - known.at < holds):
            self.named(NonEvent.REPEAT)
            return
        # Seen for the first time and already on: nobody knows since when, so it may be no new movement.
        unknown = known is None and self.cached and kind == "motion" and value is True and holds is None
        self._add(kind, value, suspect=unknown)
        if known is None or self.moment >= known.at:
            self._keep(kind, value, self.moment)

    def measured(self, kind: str, value: float | None, *, suspect: bool = False) -> None:
        if value is None or value in SENTINELS.get(kind, ()):
            self.named(NonEvent.NO_READING)
            return
        known = self._known(kind)
        again = SAMPLED_AGAIN if kind in _SAMPLED else MEASURED_AGAIN
        if self.cached and known and known.value == value and self.now - known.at < again:
            self.named(NonEvent.REPEAT)
        elif self._add(kind, value, suspect=suspect) and self.cached:
            self.remember(kind, value)

    def low_battery(self, known_pct: float | None = None) -> None:
        """The device says its battery is low; a percentage that says otherwise is not believed."""
        believed = known_pct is not None and 0 <= known_pct <= LOW_BATTERY_BELOW_PCT
        self.measured("battery", known_pct if believed else LOW_BATTERY_PCT)

    def position(self, lat: float, lng: float, *, valid: bool, **more: Any) -> None:
        if not valid or (lat == 0 and lng == 0):
            self.named(NonEvent.STALE_FIX)
            return
        extra = {name: value for name, value in more.items() if value is not None}
        self._add("position", {"lat": round(lat, 7), "lng": round(lng, 7), **extra})

    def named(self, what: NonEvent) -> None:
        if what not in self._non_events:
            self._non_events.append(what)

    def refused(self, reason: str, *, cry: str | None = None) -> None:
        """`cry`: the type of alarm it may have been; it rings as doubtful."""
        self._refusals.append(Refusal(reason, cry=cry is not None))
        if cry is not None:
            self._add(cry, True if cry in _HAZARDS else None, suspect=True)

    # -- memory and result ----------------------------------------------------------------------------------------

    def recall(self, name: str) -> Any:
        known = self._known(name)
        return None if known is None else known.value

    def remember(self, name: str, value: Any) -> None:
        self._keep(name, value, self.now)

    def _known(self, name: str) -> Told | None:
        return self._told.get(self.part + name)

    def _keep(self, name: str, value: Any, at: datetime) -> None:
        self._told[self.part + name] = Told(value, at)

    @property
    def empty(self) -> bool:
        return not (self._events or self._non_events or self._refusals)

    @property
    def memory(self) -> Memory:
        """What happened is only remembered as long as it may be sent again."""
        old = [name for name, told in self._told.items() if _HAPPENED in name and self.now - told.at >= RESENT_WITHIN]
        for name in old:
            del self._told[name]
        return self._memory.remembering(self._told)

    def heard(self) -> Heard:
        """With nothing else to say the message was a sign of life."""
        if self.empty:
            self.named(NonEvent.HEARTBEAT)
        return Heard(self.device, tuple(self._events), tuple(self._non_events), tuple(self._refusals), self.alive)

    def _add(self, kind: str, value: Any, *, suspect: bool = False) -> bool:
        event_type = EVENT_TYPE_BY_NAME[kind]
        if event_type.shape is not None and not (value is None and event_type.value_optional):
            problem = event_type.shape.check(value)
            if problem is not None:
                # Without the value: reasons are read by installers and logged, and this may be somebody's pulse.
                why = "is outside its range" if problem == OUT_OF_RANGE else "is not of its form"
                self._refusals.append(Refusal(f"{kind} {why}"))
                return False
        event: Event = {"type": kind}
        if value is not None:
            event["value"] = value
        if self._at is not None:
            event["at"] = self._at.isoformat()
        if suspect:
            event["quality"] = "suspect"
        self._events.append(event)
        return True
