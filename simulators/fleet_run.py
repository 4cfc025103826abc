"""Plays a fleet: connects every member, lets the homes live in the town's time, and a scenario among them."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from pathlib import Path
from time import monotonic

from core.domain.fleet import Fleet
from core.runtime.clock import Clock
from core.runtime.service import wait_or_stop
from simulators.homes import Happening, happenings
from simulators.scenario import SCENARIOS, Planned, truth_document
from simulators.speaker import Counts, Speaker

log = logging.getLogger(__name__)

_CONNECT_WITHIN_S = 20.0
_REPORT_S = 10.0
_LONGEST_SLEEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Play:
    """`speed` above 1 needs `minutes`: the run then begins in the past, so that it never reaches the future."""

    fleet: Fleet
    host: str
    port: int
    scenario: str | None
    seed: int
    speed: float
    minutes: float | None
    truth_file: Path | None


class FleetRun:
    def __init__(self, play: Play, stop: asyncio.Event) -> None:
        self.play, self.stop = play, stop
        # Times run ahead of the wall clock by `speed`; beginning this much earlier they end exactly now.
        lag = timedelta(minutes=(play.minutes or 0) * (1 - 1 / play.speed)) if play.speed > 1 else timedelta(0)
        self._wall = Clock()
        self.clock = Clock(self._wall.now() - lag, play.speed) if play.speed != 1 else self._wall
        # A connection's words are about now, whatever time of day the town plays.
        self.speakers = {
            member.device_id: Speaker(member, play.host, play.port, self._wall.now) for member in play.fleet.members
        }
        self._reported = (0, 0.0)

    async def run(self) -> Counts:
        for speaker in self.speakers.values():
            speaker.start()
        try:
            await self._all_connected()
            if not self.stop.is_set():
                await self._live()
        finally:
            await asyncio.gather(*(speaker.close() for speaker in self.speakers.values()))
            self._report("fleet.ended", "the fleet went offline")
        return self.totals()

    def totals(self) -> Counts:
        total = Counts()
        for speaker in self.speakers.values():
            total.add(speaker.counts)
        return total

    async def _all_connected(self) -> None:
        deadline = monotonic() + _CONNECT_WITHIN_S
        while self._connected() < len(self.speakers) and monotonic() < deadline:
            if await wait_or_stop(self.stop, 0.1):
                return
        failures = {speaker.link.last_failure for speaker in self.speakers.values()} - {None}
        log.info(
            "the fleet is connected" if not failures else "; ".join(sorted(map(str, failures))),
            extra={"action": "fleet.connected", "connected": self._connected(), "members": len(self.speakers)},
        )

    def _connected(self) -> int:
        return sum(speaker.link.up.is_set() for speaker in self.speakers.values())

    async def _live(self) -> None:
        began = self.clock.now()
        until = began + timedelta(minutes=self.play.minutes) if self.play.minutes else None
        planned = self._plan(began)
        told = iter([(one.happening(began), one) for one in planned])
        life: Iterator[tuple[Happening, Planned | None]] = ((it, None) for it in happenings(self.play.fleet, began))
        next_report = monotonic() + _REPORT_S
        for happening, one in merge(life, told, key=_at):
            if until is not None and happening.at >= until:
                break
            if await self._reached(happening.at):
                return
            self.speakers[happening.member].say(happening)
            if one is not None:
                _announce(one)
            if monotonic() >= next_report:
                next_report = monotonic() + _REPORT_S
                self._report("fleet.progress", "the fleet lives")

    def _plan(self, began: datetime) -> list[Planned]:
        if self.play.scenario is None:
            return []
        planned = SCENARIOS[self.play.scenario](self.play.fleet, self.play.seed)
        if self.play.truth_file is not None:
            document = truth_document(self.play.scenario, self.play.seed, began, planned)
            self.play.truth_file.write_text(json.dumps(document, indent=2), encoding="utf-8")
        return planned

    async def _reached(self, at: datetime) -> bool:
        """Wait for the instant; True when the stop came first."""
        while (ahead_s := self.clock.real_seconds((at - self.clock.now()).total_seconds())) > 0:
            if await wait_or_stop(self.stop, min(ahead_s, _LONGEST_SLEEP_S)):
                return True
        return self.stop.is_set()

    def _report(self, action: str, text: str) -> None:
        total = self.totals()
        said_before, at_before = self._reported
        passed_s = monotonic() - at_before if at_before else 0.0
        self._reported = (total.said, monotonic())
        log.info(
            text,
            extra={
                "action": action,
                "connected": self._connected(),
                "said": total.said,
                "acknowledged": total.acknowledged,
                "duplicate": total.duplicate,
                "rejected": dict(total.rejected),
                "dropped": sum(speaker.outbox.dropped for speaker in self.speakers.values()),
                "resent": sum(speaker.resent for speaker in self.speakers.values()),
                "events_per_s": round((total.said - said_before) / passed_s, 1) if passed_s else 0.0,
            },
        )


def _at(pair: tuple[Happening, Planned | None]) -> datetime:
    return pair[0].at


def _announce(one: Planned) -> None:
    log.info(
        "scenario: %s",
        one.what,
        extra={
            "action": f"scenario.{one.what}",
            "device_id": one.device or one.member,
            "member": one.member,
            "home": one.home,
        },
    )
