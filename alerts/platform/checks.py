"""What is wrong with the platform, judged by what its parts said of themselves. Pure.

    judge(pulses, memory, now, limits) -> (verdicts, memory to keep)

A verdict without a severity says that all is well there. Of what nobody can say anything there is no verdict: neither
rings it, nor does it calm. Limits of severity: domain §6.5; disk and certificates as their owners need days to act.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from alerts.vocabulary import Severity

PART_SILENT = "platform_part_silent"
BROKER_DROPPED = "platform_broker_dropped"
SPOOL = "platform_spool"
DISK = "platform_disk"
CERTIFICATE = "platform_certificate"
ACCOUNTING = "platform_accounting"
RULES = (PART_SILENT, BROKER_DROPPED, SPOOL, DISK, CERTIFICATE, ACCOUNTING)

DISK_LOW_PCT, DISK_VERY_LOW_PCT = 15.0, 5.0
# A disk at 14.9 % and then at 15.1 % is one story: well again only with this much more.
DISK_WELL_PCT = 2.0
CERTIFICATE_DAYS, CERTIFICATE_LAST_DAYS = 21.0, 7.0
# Without these nobody is heard or nobody is told; others (roll-ups) may wait for the morning.
_URGENT_PARTS = ("ingest", "engine", "api")


@dataclass(frozen=True, slots=True)
class Limits:
    silent: timedelta = timedelta(seconds=30)
    grace: timedelta = timedelta(seconds=60)
    spool_age: timedelta = timedelta(seconds=120)
    dropped_quiet: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Pulse:
    """The newest sign of life of a part, and what it said with it (docs/architecture.md)."""

    component: str
    at: datetime
    detail: Mapping[str, Any]

    @property
    def stopped(self) -> bool:
        return self.detail.get("stopped") is True


@dataclass(frozen=True, slots=True)
class Memory:
    """What the next round must know, whichever engine does it.

    `at`: the last round. `judged_from`: silence before it is nobody's fault but the platform's. `dropped`: the broker's
    count when it was last seen to grow, or fall (a restart); `dropped_at`, `dropped_by`: the last growth.
    """

    at: datetime | None = None
    judged_from: datetime | None = None
    dropped: int | None = None
    dropped_at: datetime | None = None
    dropped_by: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`severity` None: all is well. `value` is shown to people: numbers and names of parts, nothing else."""

    rule: str
    component: str
    severity: Severity | None = None
    value: Mapping[str, Any] = field(default_factory=dict)


def judge(pulses: Sequence[Pulse], memory: Memory, now: datetime, limits: Limits) -> tuple[list[Verdict], Memory]:
    memory = _remember(pulses, memory, now, limits)
    verdicts = [
        *_silent(pulses, memory, now, limits),
        *_dropped(memory, now, limits),
        *_spools(_fresh(pulses, now, limits), now, limits),
        *_disks(_fresh(pulses, now, limits)),
        *_certificates(_fresh(pulses, now, limits), now),
        *_accounting(_fresh(pulses, now, limits)),
    ]
    return verdicts, memory


def _fresh(pulses: Iterable[Pulse], now: datetime, limits: Limits) -> list[Pulse]:
    """Parts that can be believed: what a silent one last said says nothing about now."""
    return [pulse for pulse in pulses if not pulse.stopped and now - pulse.at <= limits.silent]


def _remember(pulses: Sequence[Pulse], memory: Memory, now: datetime, limits: Limits) -> Memory:
    """A round long after the one before: nobody watched, and perhaps nobody could write. Then silence counts anew."""
    judged_from = memory.judged_from
    if memory.at is None or now - memory.at > limits.silent:
        judged_from = now
    return _remember_dropped(pulses, replace(memory, at=now, judged_from=judged_from), now, limits)


def _remember_dropped(pulses: Sequence[Pulse], memory: Memory, now: datetime, limits: Limits) -> Memory:
    """All workers tell the same broker's count, some a moment later: the largest is the newest.

    The count begins again with the broker. What it dropped before we first looked is not known to be news.
    """
    counts = [pulse.detail["broker_dropped"] for pulse in _fresh(pulses, now, limits)
              if isinstance(pulse.detail.get("broker_dropped"), int)]  # fmt: skip
    if not counts:
        return memory
    seen, before = max(counts), memory.dropped
    grown = 0 if before is None else seen if seen < before else seen - before
    if not grown:
        return replace(memory, dropped=seen)
    recent = memory.dropped_at is not None and now - memory.dropped_at <= limits.dropped_quiet
    by = grown + (memory.dropped_by if recent else 0)
    return replace(memory, dropped=seen, dropped_at=now, dropped_by=by)


def _silent(pulses: Sequence[Pulse], memory: Memory, now: datetime, limits: Limits) -> Iterable[Verdict]:
    assert memory.judged_from is not None
    owed = _owed(pulses, now, limits)
    known = {pulse.component for pulse in pulses}
    missing = [Pulse(component, since, {}) for component, since in owed.items() if component not in known]
    for pulse in [*pulses, *missing]:
        if now - pulse.at <= limits.silent or (pulse.stopped and pulse.component not in owed):
            yield Verdict(PART_SILENT, pulse.component)
        elif now - memory.judged_from > limits.grace:
            urgent = pulse.component.partition("-")[0] in _URGENT_PARTS
            silent_s = round((now - pulse.at).total_seconds())
            severity = Severity.P1 if urgent else Severity.P2
            yield Verdict(PART_SILENT, pulse.component, severity, {"part": pulse.component, "seconds": silent_s})


def _owed(pulses: Iterable[Pulse], now: datetime, limits: Limits) -> dict[str, datetime]:
    """Ingest workers that others count on, and since when: those acknowledge unseen what is its part, so one that was
    stopped as asked, or was never started, loses it as surely as one that died."""
    owed: dict[str, datetime] = {}
    for pulse in _fresh(pulses, now, limits):
        workers, started = pulse.detail.get("workers"), pulse.detail.get("started_at")
        if isinstance(workers, int) and isinstance(started, str):
            since = datetime.fromisoformat(started)
            for number in range(1, workers + 1):
                component = f"ingest-{number}"
                owed[component] = min(since, owed.get(component, since))
    return owed


def _dropped(memory: Memory, now: datetime, limits: Limits) -> Iterable[Verdict]:
    if memory.dropped is None:
        return
    if memory.dropped_at is not None and now - memory.dropped_at <= limits.dropped_quiet:
        yield Verdict(BROKER_DROPPED, "broker", Severity.P1, {"messages": memory.dropped_by})
    else:
        yield Verdict(BROKER_DROPPED, "broker")


def _spools(pulses: Iterable[Pulse], now: datetime, limits: Limits) -> Iterable[Verdict]:
    """One verdict a worker: the worse of its lanes."""
    for pulse in pulses:
        lanes = pulse.detail.get("spool")
        if not isinstance(lanes, Mapping):
            continue
        messages = sum(int(lane.get("messages") or 0) for lane in lanes.values())
        value = {"part": pulse.component, "messages": messages}
        if any(lane.get("full") for lane in lanes.values()):
            yield Verdict(SPOOL, pulse.component, Severity.P1, {**value, "full": True})
        elif any(_older(lane.get("oldest_at"), now, limits.spool_age) for lane in lanes.values()):
            yield Verdict(SPOOL, pulse.component, Severity.P2, value)
        elif not messages:
            yield Verdict(SPOOL, pulse.component)


def _older(at: object, now: datetime, age: timedelta) -> bool:
    return isinstance(at, str) and now - datetime.fromisoformat(at) > age


def _disks(pulses: Iterable[Pulse]) -> Iterable[Verdict]:
    """Free space in percent: of a worker's spool, or of the folders an engine watches (the fullest)."""
    for pulse in pulses:
        told = pulse.detail.get("disk_free_pct")
        if not isinstance(told, int | float):
            continue
        value = {"part": pulse.component, "free_pct": round(float(told), 1)}
        if told < DISK_VERY_LOW_PCT:
            yield Verdict(DISK, pulse.component, Severity.P1, value)
        elif told < DISK_LOW_PCT:
            yield Verdict(DISK, pulse.component, Severity.P2, value)
        elif told >= DISK_LOW_PCT + DISK_WELL_PCT:
            yield Verdict(DISK, pulse.component)


def _certificates(pulses: Iterable[Pulse], now: datetime) -> Iterable[Verdict]:
    """By certificate, whichever engine looked at it: {"broker.example:8883": when it ends}."""
    ends: dict[str, datetime] = {}
    for pulse in pulses:
        for name, end in (pulse.detail.get("certificates") or {}).items():
            until = datetime.fromisoformat(end)
            ends[name] = min(until, ends.get(name, until))
    for name, until in sorted(ends.items()):
        days = (until - now) / timedelta(days=1)
        value = {"name": name, "days": max(0, int(days)), "ends": until.strftime("%Y-%m-%d"), "expired": days <= 0}
        if days < CERTIFICATE_LAST_DAYS:
            yield Verdict(CERTIFICATE, f"certificate-{name}", Severity.P1, value)
        elif days < CERTIFICATE_DAYS:
            yield Verdict(CERTIFICATE, f"certificate-{name}", Severity.P2, value)
        else:
            yield Verdict(CERTIFICATE, f"certificate-{name}")


def _accounting(pulses: Sequence[Pulse]) -> Iterable[Verdict]:
    """What any engine found; all is well when every one has gone once around and found nothing. Then the workers' own.

    A worker counts what it holds one by one: a difference there is a fault of the program.
    """
    checked = [pulse.detail["accounting"] for pulse in pulses if isinstance(pulse.detail.get("accounting"), Mapping)]
    if worst := max(checked, key=lambda told: int(told["differences"]), default=None):
        if worst["differences"]:
            yield Verdict(
                ACCOUNTING, "accounting", Severity.P1, {name: worst[name] for name in ("differences", "first")}
            )
        elif all(told["complete"] for told in checked):
            yield Verdict(ACCOUNTING, "accounting")
    for pulse in pulses:
        lost = pulse.detail.get("unaccounted")
        if isinstance(lost, int) and lost:
            first = f"{pulse.component}: {lost} messages in hand are unaccounted for"
            yield Verdict(ACCOUNTING, pulse.component, Severity.P1, {"differences": abs(lost), "first": first})
        elif lost == 0:
            yield Verdict(ACCOUNTING, pulse.component)
