"""`anxin bench ingest-live`: single readings at a steady rate for minutes: kept, flat, and no growing lag."""

import argparse
import asyncio

from simulators.bench.live import Lived, kept_live, others_live
from simulators.bench.load_plan import LoadPlan
from simulators.bench.report import report, server_versions
from simulators.bench.shape import Bench, Document, Number, Say
from simulators.bench.town import fresh_town, homes_for
from simulators.bench.workers import own_workers

SETTINGS = (
    Number("per-second", 12_000, 300, 10, 100_000, "single readings a second"),
    Number("seconds", 600, 8, 5, 86_400, "how long"),
    Number("devices", 5000, 80, 10, 40_000, "devices they come from"),
    Number("workers", 1, 1, 1, 8, "ingest workers"),
    Number("repeats", 1, 1, 1, 20, "how often; the medians are told"),
)
_PROBED_HOMES = 20  # their hubs ask for receipts and have no other load


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or a reading or press is lost."""
    lives: list[Lived] = []
    kept, versions = [], {}
    for repeat in range(1, options.repeats + 1):
        say(f"repeat {repeat} of {options.repeats}: starting a town")
        homes = max(homes_for(options.devices, pressing=_PROBED_HOMES), options.seconds + 1)
        async with fresh_town(homes) as town, own_workers(town) as workers:
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            plan = LoadPlan(
                f"l{repeat}", per_second=options.per_second, seconds=options.seconds, devices=options.devices
            )
            kept.append(await others_live(town, plan, say))
            await workers.start(options.workers)
            say(f"platform, {options.workers} worker(s): {options.per_second:,} msg/s for {options.seconds} s")
            lives.append(await kept_live(town, workers, plan, say))
    limits = [{**live.limits, "kept_per_s": one["sink"]} for live, one in zip(lives, kept, strict=True)]
    peers = [{f"{name}_kept_per_s": value for name, value in one.items() if name != "sink"} for one in kept]
    return report("ingest-live", [live.figures for live in lives], limits, versions, peers)


BENCH = Bench(
    "ingest-live",
    "single readings at a steady rate for ten minutes: what is kept, the lag, the workers' memory",
    SETTINGS,
    run,
    asked={
        "kept_per_s": "≥ 12,000 (all that is offered)",
        "waiting_slope_per_s": "about 0: no growing lag",
        "worker_rss_max_mb": "≤ 250",
    },
)
