"""The rounds: steady load, a fault at a random moment, recovery, and the comparison of everything."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from core.errors import Unavailable
from simulators.chaos import ledger
from simulators.chaos.book import Settings
from simulators.chaos.compare import Differences, compare
from simulators.chaos.console import Console
from simulators.chaos.disk import CannotMount
from simulators.chaos.faults import Fault, choose, strike
from simulators.chaos.gateway_feed import GatewayFeed
from simulators.chaos.house import WORKERS, House, fresh_house
from simulators.chaos.ledger import Published
from simulators.chaos.report import Round

_ABOVE = 1.1  # sent above the rate asked for: a step of the generator that came late must not fall below it
_SOS_PER_S = 6
_STEADY_WITHIN_S = 20.0
_RECOVERED_WITHIN_S = 90.0
_PULSE_YOUNGER_S = 4.0
_AFTERWARDS_S = 1.0  # the load meets the recovered platform, too
_ANSWERS_WITHIN_S = 30.0
_NOTHING_NEW_S = 6.0
_SETTLED_WITHIN_S = 60.0

Say = Callable[[str], None]
Tell = Callable[[Round], None]


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    kinds: tuple[str, ...]
    seed: int
    per_s: int
    keep: Path


@dataclass(slots=True)
class Outcome:
    rounds: list[Round]
    skipped: dict[str, str]
    settings: Settings


async def run(plan: Plan, say: Say, tell: Tell) -> Outcome:
    """Every kind's rounds; the disk has a house of its own, on small disks. Raises Unavailable."""
    outcome = Outcome([], {}, Settings("unknown", "unknown", "unknown"))
    others = [kind for kind in plan.kinds if kind != "disk"]
    if others:
        say(f"starting a platform for {', '.join(others)}")
        async with fresh_house() as house:
            await _rounds(plan, house, others, outcome, say, tell)
    if "disk" in plan.kinds:
        say("starting a platform on small disks")
        try:
            async with fresh_house(small_disks=True) as house:
                await _rounds(plan, house, ["disk"], outcome, say, tell)
        except CannotMount as error:
            outcome.skipped["disk"] = str(error)
    return outcome


async def _rounds(plan: Plan, house: House, kinds: Sequence[str], outcome: Outcome, say: Say, tell: Tell) -> None:
    outcome.settings = await asyncio.to_thread(house.book.settings)
    if not outcome.settings.on:
        raise Unavailable(f"The database runs without the settings durability rests on: {outcome.settings}.")
    async with Arena(house, plan.seed, plan.per_s) as arena:
        for kind in kinds:
            for number in range(1, plan.rounds + 1):
                say(f"{kind} {number} of {plan.rounds}")
                told, differences = await arena.round(kind, number, say)
                outcome.rounds.append(told)
                if told.failures:
                    await asyncio.to_thread(_keep, plan.keep, house, told, differences)
                tell(told)


class Arena:
    """One house with its load, its gateway client and its console, through all rounds."""

    def __init__(self, house: House, seed: int, per_s: int) -> None:
        self.house, self.seed, self._per_s = house, seed, per_s
        tag = f"{int(time.time()):x}"
        hub = next(member for member in house.fleet.members if member.kind == "hub")
        self.feed = GatewayFeed(hub, house.folder, house.ready.mqtt_host, house.ready.mqtt_port, tag)
        self.console = Console.of(house.ready)
        self._tag = tag
        self._after = AsyncExitStack()
        self._load: asyncio.subprocess.Process
        self._devices: list[int] = []

    async def __aenter__(self) -> Self:
        try:
            self._load = await self._start_load()
            self.feed.start_service()
            self._after.push_async_callback(self.feed.stop_service)
            self.console.start()
            self._after.push_async_callback(self.console.stop)
            async with asyncio.timeout(30):
                await self.console.connected.wait()
            names = [member.device_id for member in self.house.fleet.members]
            self._devices = await asyncio.to_thread(self.house.book.device_numbers, names)
        except BaseException:
            await self._after.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._after.aclose()

    async def _start_load(self) -> asyncio.subprocess.Process:
        ready = self.house.ready
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators.chaos.load", "--fleet-file", str(self.house.fleet_file)),
            *("--host", ready.mqtt_host, "--port", str(ready.mqtt_port), "--seed", str(self.seed), "--tag", self._tag),
            *("--telemetry-per-second", str(self._per_s * _ABOVE), "--sos-per-second", str(_SOS_PER_S)),
            *("--answers-within-s", str(_ANSWERS_WITHIN_S)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._after.push_async_callback(_end, process)
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise Unavailable("The load of the chaos run did not start; its words are above.")
        return process

    async def _ask(self, word: str) -> dict[str, Any]:
        assert self._load.stdin is not None and self._load.stdout is not None
        self._load.stdin.write(word.encode() + b"\n")
        line = await self._load.stdout.readline()
        if not line:
            raise Unavailable("The load of the chaos run ended; its words are above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    # --- one round

    async def round(self, kind: str, number: int, say: Say) -> tuple[Round, Differences]:
        chance = random.Random(f"{self.seed}/{kind}/{number}")  # noqa: S311 - a seeded run
        after_seq = await self._asked_until_answered(self.house.book.newest_alert_event)
        self.console.begin()
        self.feed.begin()
        await self._ask("start")
        per_s = await self._steady()
        await asyncio.sleep(chance.uniform(0.2, 2.0))
        fault = choose(kind, self.house, self.feed, chance)
        say(f"{kind} {number}: {fault.name}")
        before = self.house.roll()
        in_flight = await asyncio.to_thread(strike, self.house.book, fault)
        struck = time.monotonic()
        await self._undo(fault)
        recovered = await self._recovered(fault, before)
        recovery_s = time.monotonic() - struck
        await asyncio.sleep(_AFTERWARDS_S)
        messages = await self._published(kind, number)
        differences = await self._settled(messages, after_seq)
        counts = {**differences.counts, "stream_gaps": self.console.gaps}
        if not recovered:
            say(f"{kind} {number}: not everything was ready again within {_RECOVERED_WITHIN_S:g} s")
        told = Round(
            kind=kind,
            number=number,
            fault=fault.name,
            in_flight=in_flight,
            published=len(messages),
            asked_per_s=self._per_s,
            per_s=per_s,
            recovery_s=recovery_s,
            counts=counts,
            provisional=self.console.provisional,
        )
        return told, differences

    async def _steady(self) -> float:
        """Until the rate is there, measured over a second; returns it. A machine too busy for it is told of later."""
        deadline = time.monotonic() + _STEADY_WITHIN_S
        rate = 0.0
        while time.monotonic() < deadline:
            first, began = await self._acknowledged(), time.monotonic()
            await asyncio.sleep(1)
            rate = (await self._acknowledged() - first) / (time.monotonic() - began)
            if rate >= self._per_s:
                break
        return rate

    async def _acknowledged(self) -> int:
        return int((await self._ask("rate"))["acknowledged"])

    async def _undo(self, fault: Fault) -> None:
        if fault.undo:
            await asyncio.sleep(fault.undo_after_s)
        for act in fault.undo:
            await asyncio.to_thread(act)

    async def _recovered(self, fault: Fault, before: dict[str, int]) -> bool:
        """Until what was killed is another process, every part is ready, the spools are empty and no lane lags."""
        await asyncio.sleep(0.5)
        deadline = time.monotonic() + _RECOVERED_WITHIN_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, psycopg.Error):
                roll = self.house.roll()
                back = all(roll[name] != before[name] for name in fault.gone)
                if back and await self.house.all_ready():
                    waiting, age_s = await asyncio.to_thread(self.house.book.spooled, WORKERS)
                    if not waiting and age_s < _PULSE_YOUNGER_S:
                        return True
            await asyncio.sleep(0.2)
        return False

    async def _published(self, kind: str, number: int) -> list[Published]:
        """End the load and the feed; every message of the round as its publisher knows it."""
        file = self.house.folder / f"ledger-{kind}-{number}.json"
        from_gateway = asyncio.create_task(self.feed.end(_ANSWERS_WITHIN_S))
        await self._ask(f"stop {file}")
        messages = await asyncio.to_thread(ledger.read, file)
        await asyncio.to_thread(file.unlink)
        return messages + await from_gateway

    async def _settled(self, messages: list[Published], after_seq: int) -> Differences:
        """Compare until all is found, or nothing more was found for a while."""
        began = changed = time.monotonic()
        differences = last = None
        while True:
            stored = await self._asked_until_answered(
                lambda: self.house.book.stored(messages, self._devices, after_seq)
            )
            differences = compare(messages, stored, self.console.heard)
            now = time.monotonic()
            if differences.counts != last:
                last, changed = differences.counts, now
            if differences.clean or now - changed > _NOTHING_NEW_S or now - began > _SETTLED_WITHIN_S:
                return differences
            await asyncio.sleep(0.5)

    async def _asked_until_answered(self, question: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while True:
            try:
                return await asyncio.to_thread(question)
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise Unavailable(f"The database does not answer: {error}.") from None
                await asyncio.sleep(0.5)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _keep(keep: Path, house: House, told: Round, differences: Differences) -> None:
    """The logs of a failed round and the messages it is about, for whoever looks for the cause."""
    place = keep / f"{told.kind}-{told.number}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(house.data_dir / "logs", place / "logs")
    shutil.copy(house.folder / "demo.log", place)
    for log in (house.data_dir / "log/postgresql.log", house.data_dir / "mosquitto/mosquitto.log"):
        if log.exists():
            shutil.copy(log, place)
    for name in told.failures:
        messages = getattr(differences, name, [])  # a gap of the stream is about none
        (place / f"{name}.jsonl").write_text(ledger.as_lines(messages), encoding="utf-8")
    os.chmod(place, 0o700)  # noqa: PTH101 - a folder of logs, for its owner
