"""`anxin bench noisy-device`: one device gone wild, then two hundred hubs with six hours to catch up on.

Others' latency (a reading's receipt) and live presses, quiet, beside the wild device, and beside the backlog; and
whether any of what is hours old raised an alert.
"""

import argparse
import asyncio
from dataclasses import dataclass, field

from core.errors import Unavailable
from simulators.bench.limit import echo_and_commit
from simulators.bench.load_plan import LoadPlan, LoadTold
from simulators.bench.load_run import LoadRun, start_load
from simulators.bench.presses import press_latencies
from simulators.bench.receipt_probe import receipt_latencies
from simulators.bench.report import latencies, report, server_versions
from simulators.bench.shape import REPEATS, Bench, Document, Number, Say
from simulators.bench.stored import Store
from simulators.bench.town import Town, fresh_town, homes_for
from simulators.bench.workers import own_workers

SETTINGS = (
    Number("seconds", 30, 4, 3, 600, "how long each of the three phases is"),
    Number("per-second", 2000, 100, 10, 50_000, "messages a second of everybody else"),
    Number("devices", 2000, 40, 10, 40_000, "everybody else"),
    Number("noise-per-second", 1000, 1000, 10, 50_000, "messages a second of the one device"),
    Number("backlog-hubs", 200, 5, 1, 5000, "hubs with a backlog"),
    Number("backlog-readings", 5000, 500, 200, 100_000, "readings of the last six hours, a hub"),
    REPEATS,
)
_BATCH = 200
_PROBE_HUBS = 20
_PROBES_PER_S = _PRESSES_PER_S = 20.0
_PHASES = ("quiet", "noisy", "backlog")


@dataclass(slots=True)
class _Trial:
    options: argparse.Namespace
    town: Town
    store: Store
    say: Say
    figures: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)

    async def phase(self, name: str, extra: LoadPlan | None) -> None:
        """Measure beside everybody else's load and `extra`; then wait until all of both is settled."""
        options, before, rows = self.options, await self.store.tally(), await self.store.readings()
        rest = LoadPlan(f"{name}o", per_second=options.per_second, seconds=3600, devices=options.devices)
        runs = [await start_load(self.town, rest)]
        await runs[0].speaks()
        if extra is not None:
            runs.append(await start_load(self.town, extra))
        await self._measure(name)
        told = [await _end(run, self_ending=n > 0 and name == "backlog") for n, run in enumerate(runs)]
        probes = int(_PROBES_PER_S * options.seconds)
        await self.store.until_settled(sum(one.readings for one in told) + probes, before)
        await self._whole(name, told, probes, rows)

    async def _measure(self, name: str) -> None:
        index, count = _PHASES.index(name), int(_PROBES_PER_S * self.options.seconds)
        watches = self.town.watches[-(index + 1) * count :][:count]
        alerts = await self.store.alerts()
        lag, pressed, echoed = await asyncio.gather(
            receipt_latencies(self.town, self.town.hubs[-_PROBE_HUBS:], _PROBES_PER_S, count, run=name),
            press_latencies(self.town, watches, _PRESSES_PER_S),
            echo_and_commit(self.town, count, _PRESSES_PER_S),
        )
        self.figures |= latencies(f"{name}_others", lag) | latencies(f"{name}_sos", pressed)
        self.limits |= latencies(f"{name}_others", echoed) | latencies(f"{name}_sos", echoed)
        self.figures[f"{name}_other_alerts"] = float(await self.store.alerts() - alerts - count)
        others, sos = self.figures[f"{name}_others_p99_ms"], self.figures[f"{name}_sos_p99_ms"]
        self.say(f"  {name}: others' p99 {others:.0f} ms, SOS p99 {sos:.0f} ms")

    async def _whole(self, name: str, told: list[LoadTold], probes: int, rows: int) -> None:
        """Everybody else's readings and the backlog are stored; of the wild device as many as its rate allows."""
        stored = await self.store.readings() - rows
        owed = told[0].distinct + probes + (told[1].distinct if name == "backlog" else 0)
        most = owed + (told[1].distinct if name == "noisy" else 0)
        if not owed <= stored <= most:
            raise Unavailable(f"{name}: {stored} readings are stored, where {owed} to {most} were owed.")
        if name == "noisy":
            self.figures["noisy_device_stored"] = float(stored - owed)
            self.figures["noisy_device_sent"] = float(told[1].distinct)


async def _end(run: LoadRun, *, self_ending: bool) -> LoadTold:
    return await (run.finished() if self_ending else run.end())


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or a reading or press is lost."""
    pressing = int(len(_PHASES) * _PRESSES_PER_S * options.seconds)
    homes = homes_for(options.devices) + options.backlog_hubs + _PROBE_HUBS + 1
    figures, limits, versions = [], [], {}
    for repeat in range(1, options.repeats + 1):
        say(f"repeat {repeat} of {options.repeats}: starting a town")
        async with (
            fresh_town(max(homes, pressing)) as town,
            own_workers(town) as workers,
            Store(town.ready.database_url) as store,
        ):
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            await workers.start(1)
            trial = _Trial(options, town, store, say)
            first_free = homes_for(options.devices)
            await trial.phase("quiet", None)
            await trial.phase("noisy", _noise(options, first_free))
            await trial.phase("backlog", _backlog(options, first_free + 1))
        figures.append(trial.figures)
        limits.append(trial.limits)
    return report("noisy-device", figures, limits, versions)


def _noise(options: argparse.Namespace, hub: int) -> LoadPlan:
    return LoadPlan(
        "noise", per_second=options.noise_per_second, seconds=3600, first_hub=hub, hubs=1, devices=1, duplicate_pct=0
    )


def _backlog(options: argparse.Namespace, first_hub: int) -> LoadPlan:
    messages = options.backlog_hubs * options.backlog_readings // _BATCH
    return LoadPlan(
        "backlog",
        messages=messages,
        batch=_BATCH,
        first_hub=first_hub,
        hubs=options.backlog_hubs,
        devices=0,
        age_hours=6,
        window=20,
    )


BENCH = Bench(
    "noisy-device",
    "others' latency and live presses beside one device at 1,000 msg/s and beside six hours of backlog from 200 hubs",
    SETTINGS,
    run,
    asked={
        "noisy_others_p99_ms": "as quiet_others_p99_ms",
        "noisy_sos_p99_ms": "as quiet_sos_p99_ms",
        "backlog_others_p99_ms": "as quiet_others_p99_ms",
        "backlog_sos_p99_ms": "as quiet_sos_p99_ms",
        "backlog_other_alerts": "0: no stale alert",
    },
)
