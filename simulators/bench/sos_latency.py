"""`anxin bench sos-latency`: press to frame while nothing, much, too much, a backlog or a dead worker is beside it.

Every phase presses the watches of other elders, on one schedule, with broker echo + one commit on the same schedule at
the same time: what the machine itself could do just then. Before the first phase the tutorial script takes presses,
idle and beside the rated telemetry, while no session of the platform would queue the same.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from core.domain.fleet import FleetMember
from simulators.bench.drain import queue_backlog
from simulators.bench.limit import echo_and_commit
from simulators.bench.load_plan import LoadPlan
from simulators.bench.load_run import start_load
from simulators.bench.peer_presses import tutorial_presses
from simulators.bench.presses import press_latencies
from simulators.bench.report import latencies, report, server_versions
from simulators.bench.shape import REPEATS, Bench, Document, Number, Say
from simulators.bench.stored import Store, Tally, must_be_whole
from simulators.bench.town import Town, fresh_town, homes_for
from simulators.bench.workers import Workers, own_workers

_WARM_UP = 20  # presses before the count: caches of a platform that was started a moment ago

SETTINGS = (
    Number("presses", 600, 20, 10, 900, "presses a phase, each of another elder"),
    Number("per-second", 20, 20, 1, 200, "presses a second"),
    Number("rated-per-second", 5000, 300, 1, 50_000, "telemetry messages a second of the rated phase"),
    Number("stopped-per-second", 1000, 100, 1, 50_000, "telemetry beside the stopped worker"),
    Number("queued", 1_000_000, 3000, 1000, 1_000_000, "messages queued at the broker"),
    Number("devices", 5000, 80, 10, 40_000, "devices of the telemetry"),
    REPEATS,
)


# The broker is so busy taking a flood that it hands out next to nothing, and beyond a million messages for a worker it
# drops.
_FLOOD_MESSAGES = 950_000


@dataclass(slots=True)
class _Trial:
    """One repeat: the town, its workers, and what was measured so far."""

    options: argparse.Namespace
    town: Town
    workers: Workers
    store: Store
    say: Say
    watches: Iterator[FleetMember]
    figures: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)

    def plan(self, run: str, **more: float) -> LoadPlan:
        return LoadPlan(run, devices=self.options.devices, **more)  # type: ignore[arg-type]

    async def press(self, name: str) -> None:
        """Presses and echoes side by side."""
        self.say(f"{self.options.presses} presses: {name}")
        watches = [next(self.watches) for _ in range(self.options.presses)]
        pressed, echoed = await asyncio.gather(
            press_latencies(self.town, watches, self.options.per_second),
            echo_and_commit(self.town, len(watches), self.options.per_second),
        )
        self.figures |= latencies(name, pressed)
        self.limits |= latencies(name, echoed)
        self.say(f"  p99 {self.figures[f'{name}_p99_ms']:.1f} ms, echo + commit {self.limits[f'{name}_p99_ms']:.1f} ms")


async def _idle(trial: _Trial) -> None:
    await trial.press("idle")


async def _rated(trial: _Trial) -> None:
    await _beside(trial, "rated", trial.plan("r", per_second=trial.options.rated_per_second, seconds=3600))


async def _flood(trial: _Trial) -> None:
    await _beside(trial, "flood", trial.plan("f", seconds=3600, messages=_FLOOD_MESSAGES))


async def _stopped(trial: _Trial) -> None:
    """The broker parks half of the telemetry for the worker that does not move; alarms it gives to both."""
    await trial.workers.stop()
    await trial.workers.start(2)
    trial.workers.freeze(2)
    plan = trial.plan("s", per_second=trial.options.stopped_per_second, seconds=3600)
    await _beside(trial, "stopped_worker", plan, thaw=trial.workers.thaw)
    await trial.workers.stop()
    await trial.workers.forget_sessions(2)
    await trial.workers.start(1)


async def _queued(trial: _Trial) -> None:
    await trial.workers.stop()
    trial.say(f"queueing {trial.options.queued:,} messages at the broker")
    before, rows = await trial.store.tally(), await trial.store.readings()
    told = await queue_backlog(trial.town, trial.workers, 1, trial.plan("q", messages=trial.options.queued))
    await trial.workers.start(1)
    await trial.press("queued")
    left = told.readings - (await trial.store.tally()).since(before).settled
    trial.figures["queued_left_at_the_end"] = float(left)
    tally = await trial.store.until_settled(told.readings, before)
    await _whole(trial, tally, told.readings, told.distinct, rows)


async def _beside(trial: _Trial, name: str, plan: LoadPlan, *, thaw: Callable[[], None] | None = None) -> None:
    """Presses while the generator runs; afterwards all it sent must be stored. `thaw` the worker that is frozen: the
    broker may have given it up meanwhile, and delivers again."""
    before, rows = await trial.store.tally(), await trial.store.readings()
    run = await start_load(trial.town, plan)
    await run.speaks()
    await trial.press(name)
    told = await run.end()
    trial.figures[f"{name}_offered_per_s"] = told.per_s
    if thaw is not None:
        thaw()
    tally = await trial.store.until_settled(told.readings, before, distinct=told.distinct)
    await _whole(trial, tally, told.readings, told.distinct, rows, redelivered=thaw is not None)


async def _whole(
    trial: _Trial, tally: Tally, readings: int, distinct: int, rows_before: int, *, redelivered: bool = False
) -> None:
    stored = await trial.store.readings() - rows_before
    must_be_whole(tally, readings=readings, distinct=distinct, stored=stored, redelivered=redelivered)


PHASES: Mapping[str, Callable[[_Trial], Awaitable[None]]] = {
    "idle": _idle,
    "rated": _rated,
    "stopped_worker": _stopped,
    "queued": _queued,
    "flood": _flood,
}


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or a press or reading is lost."""
    pressing = len(PHASES) * options.presses + _WARM_UP
    figures, limits, peers, versions = [], [], [], {}
    for repeat in range(1, options.repeats + 1):
        homes = max(homes_for(options.devices), pressing)
        say(f"repeat {repeat} of {options.repeats}: starting a town of {homes} homes")
        async with (
            fresh_town(homes) as town,
            own_workers(town) as workers,
            Store(town.ready.database_url) as store,
        ):
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            peers.append(await tutorial_presses(town, options, say))
            await workers.start(1)
            watches = iter(town.watches)
            await press_latencies(town, [next(watches) for _ in range(_WARM_UP)], options.per_second)
            trial = _Trial(options, town, workers, store, say, watches)
            for phase in PHASES.values():
                await phase(trial)
        figures.append(trial.figures)
        limits.append(trial.limits)
    return report("sos-latency", figures, limits, versions, peers)


BENCH = Bench(
    "sos-latency",
    "from a scheduled press to its frame at a WebSocket client: idle, rated, flood, 1,000,000 queued, a stopped worker",
    SETTINGS,
    run,
    asked={
        "idle_p99_ms": "≤ 60",
        "rated_p99_ms": "≤ 150",
        "flood_p99_ms": "≤ 500",
        "queued_p99_ms": "≤ 500",
        "stopped_worker_p99_ms": "≤ 150",
    },
)
