"""`anxin bench ingest-drain`: single readings that waited at the broker, until every one is committed."""

import argparse
import asyncio

from simulators.bench.drain_beside import Drained, drained_beside
from simulators.bench.load_plan import LoadPlan
from simulators.bench.report import report, server_versions
from simulators.bench.shape import REPEATS, Bench, Document, Number, Say
from simulators.bench.town import fresh_town, homes_for
from simulators.bench.workers import own_workers

SETTINGS = (
    Number("messages", 200_000, 3000, 1000, 900_000, "single readings in the backlog"),
    Number("devices", 5000, 80, 10, 40_000, "devices they come from"),
    REPEATS,
)


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or a reading is lost or doubled."""
    counts = (1,) if options.short else (1, 2)
    figures, limits, peers, versions = [], [], [], {}
    for repeat in range(1, options.repeats + 1):
        say(f"repeat {repeat} of {options.repeats}: starting a town")
        async with fresh_town(homes_for(options.devices)) as town, own_workers(town) as workers:
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            plan = LoadPlan(f"d{repeat}", messages=options.messages, devices=options.devices)
            drained = await drained_beside(town, workers, plan, counts, say)
        figures.append(_figures(drained))
        limits.append({"drained_per_s": drained.received_per_s, "stored_rows_per_s": drained.copied_rows_per_s})
        peers.append({f"{name}_drained_per_s": value for name, value in drained.peers.items()})
    return report("ingest-drain", figures, limits, versions, peers)


def _figures(drained: Drained) -> dict[str, float]:
    return {
        "drained_per_s": drained.per_s,
        "stored_rows_per_s": drained.per_s,
        "drained_times_competent": drained.per_s / drained.peers["competent"],
        "workers": drained.best,
        **{f"drained_by_{count}_workers_per_s": value for count, value in drained.by_workers.items()},
    }


BENCH = Bench(
    "ingest-drain",
    "a backlog of single readings at the broker, until all are committed, rules on",
    SETTINGS,
    run,
    asked={"drained_per_s": "≥ 20,000", "drained_times_competent": "≥ 3"},
)
