"""Presses taken by the tutorial script: from when each was due to the NOTIFY of its commit at a client that listens.

Less than the platform is asked for: no elder to find, no rule, no alert, no account whose console it is.
"""

import argparse
import asyncio
import contextlib
import json
from datetime import UTC, datetime

import psycopg

from core.runtime.mqtt import MqttSession
from simulators.bench.contender_line import PRESS_CHANNEL, PRESS_TOPIC
from simulators.bench.contenders import TUTORIAL, running
from simulators.bench.load_plan import LoadPlan
from simulators.bench.load_run import start_load
from simulators.bench.report import latencies
from simulators.bench.schedule import on_schedule
from simulators.bench.shape import Say
from simulators.bench.town import Town

_AT_MOST_S = 15.0  # of presses
_WAIT_S = 10.0  # for the last ones, which stand in the script's queue behind telemetry that only grows


async def tutorial_presses(town: Town, options: argparse.Namespace, say: Say) -> dict[str, float]:
    """`tutorial_idle_*` and, beside the rated telemetry, `tutorial_rated_*`. Needs a town without ingest workers.

    A press that was not seen in time counts as long as it was waited for, so those latencies are at least what is
    said; `tutorial_rated_unseen` is how many.
    """
    figures: dict[str, float] = {}
    rated = LoadPlan("t", per_second=options.rated_per_second, seconds=3600, devices=options.devices)
    async with running(town, TUTORIAL):
        took, _ = await _pressed(town, options, "idle")
        figures |= latencies("tutorial_idle", took)
        load = await start_load(town, rated)
        await load.speaks()
        took, unseen = await _pressed(town, options, "rated")
        await load.end()
        figures |= latencies("tutorial_rated", took) | {"tutorial_rated_unseen": float(unseen)}
    idle, beside = figures["tutorial_idle_p99_ms"], figures["tutorial_rated_p99_ms"]
    say(f"tutorial script: p99 idle {idle:.1f} ms, rated {beside:,.1f} ms ({unseen} of {len(took)} not seen)")
    return figures


async def _pressed(town: Town, options: argparse.Namespace, phase: str) -> tuple[list[float], int]:
    """Milliseconds of each press, and how many were not seen."""
    loop, per_s = asyncio.get_running_loop(), options.per_second
    count = min(options.presses, max(1, int(_AT_MOST_S * per_s)))
    due: dict[str, float] = {}
    seen: dict[str, float] = {}

    async def listen(conn: psycopg.AsyncConnection[object]) -> None:
        async for notify in conn.notifies():
            seen[notify.payload] = loop.time()
            if len(seen) == count:
                return

    async def press(n: int, scheduled: float) -> None:
        name = f"{phase}-{n}"
        due[name] = scheduled
        event = {"device": name, "type": "sos", "at": datetime.now(UTC).isoformat(), "value": 1}
        await session.publish(PRESS_TOPIC, json.dumps(event).encode())

    session = MqttSession(town.platform_url, client_id="bench-press", clean_start=True)
    async with session, await psycopg.AsyncConnection.connect(town.ready.database_url, autocommit=True) as conn:
        await conn.execute(f"LISTEN {PRESS_CHANNEL}".encode())
        await session.connected.wait()
        listening = asyncio.create_task(listen(conn))
        await on_schedule(count, per_s, press)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listening, _WAIT_S)
        over = loop.time()
    return [(seen.get(name, over) - at) * 1000 for name, at in due.items()], len(due.keys() - seen.keys())
