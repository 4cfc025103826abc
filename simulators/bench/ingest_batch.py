"""`anxin bench ingest-batch`: gateways that send twenty readings a message, as a backlog and live."""

import argparse
import asyncio
from dataclasses import replace

from simulators.bench.drain_beside import drained_beside
from simulators.bench.live import kept_live
from simulators.bench.load_plan import LoadPlan
from simulators.bench.report import report, server_versions
from simulators.bench.shape import REPEATS, Bench, Document, Number, Say
from simulators.bench.town import fresh_town, homes_for
from simulators.bench.workers import own_workers

SETTINGS = (
    Number("messages", 30_000, 300, 100, 900_000, "messages in the backlog"),
    Number("batch", 20, 20, 2, 500, "readings a message"),
    Number("per-second", 1500, 20, 1, 20_000, "messages a second, live"),
    Number("seconds", 60, 5, 5, 3600, "how long, live"),
    Number("devices", 5000, 80, 10, 40_000, "devices they come from"),
    REPEATS,
)
_PROBED_HOMES = 20


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or a reading or press is lost."""
    counts = (1,) if options.short else (1, 2)
    figures, limits, peers, versions = [], [], [], {}
    for repeat in range(1, options.repeats + 1):
        say(f"repeat {repeat} of {options.repeats}: starting a town")
        homes = max(homes_for(options.devices, pressing=_PROBED_HOMES), options.seconds + 1)
        async with fresh_town(homes) as town, own_workers(town) as workers:
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            plan = LoadPlan(f"b{repeat}", messages=options.messages, batch=options.batch, devices=options.devices)
            drained = await drained_beside(town, workers, plan, counts, say)
            await workers.start(drained.best)
            live = await kept_live(
                town,
                workers,
                replace(plan, run=f"{plan.run}l", messages=0, per_second=options.per_second, seconds=options.seconds),
                say,
            )
        figures.append(
            {
                "drained_readings_per_s": drained.per_s,
                "stored_rows_per_s": drained.per_s,
                "drained_times_competent": drained.per_s / drained.peers["competent"],
                "workers": drained.best,
                **{f"drained_by_{n}_workers_readings_per_s": value for n, value in drained.by_workers.items()},
                **{f"live_{name}": value for name, value in live.figures.items()},
            }
        )
        limits.append(
            {
                "drained_readings_per_s": drained.received_per_s,
                "stored_rows_per_s": drained.copied_rows_per_s,
                **{f"live_{name}": value for name, value in live.limits.items()},
            }
        )
        peers.append({f"{name}_drained_readings_per_s": value for name, value in drained.peers.items()})
    return report("ingest-batch", figures, limits, versions, peers)


BENCH = Bench(
    "ingest-batch",
    "gateways' messages of twenty readings: a backlog until all is committed, and live",
    SETTINGS,
    run,
    asked={"drained_readings_per_s": "≥ 60,000"},
)
