"""`anxin bench sos-latency`: press to frame, idle and under telemetry, beside broker echo + one commit."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import Unavailable
from simulators.bench.limit import echo_and_commit
from simulators.bench.presses import press_latencies
from simulators.bench.report import report, server_versions
from simulators.bench.schedule import percentile
from simulators.bench.town import Town, fresh_town

_LIMIT_SAMPLES = 300
_WARM_UP = 50  # presses before the count: caches of a platform that was started a moment ago
_SETTLE_S = 2.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    presses: int
    per_s: float
    load_per_s: int
    repeats: int

    @property
    def homes(self) -> int:
        """Every home has a watch at least; each press needs an elder of its own."""
        return 2 * self.presses + _WARM_UP


async def sos_latency(plan: Plan, say: Say) -> Any:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or a press is lost."""
    figures, limits, versions = [], [], {}
    for repeat in range(1, plan.repeats + 1):
        say(f"repeat {repeat} of {plan.repeats}: starting a town of {plan.homes} homes")
        async with fresh_town(plan.homes) as town:
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            figure, limit = await _once(plan, town, say)
        figures.append(figure)
        limits.append(limit)
        say("  ".join(f"{name} {value:.1f}" for name, value in figure.items()))
    return report("sos-latency", figures, limits, versions)


async def _once(plan: Plan, town: Town, say: Say) -> tuple[dict[str, float], dict[str, float]]:
    watches = town.watches
    await press_latencies(town, watches[:_WARM_UP], plan.per_s)
    say(f"{plan.presses} presses, idle")
    idle_limit = await echo_and_commit(town, _LIMIT_SAMPLES, plan.per_s)
    idle = await press_latencies(town, watches[_WARM_UP : _WARM_UP + plan.presses], plan.per_s)
    say(f"{plan.presses} presses under {plan.load_per_s} telemetry messages a second")
    seconds = (plan.presses + _LIMIT_SAMPLES) / plan.per_s + 3 * _SETTLE_S
    load = await _start_load(town, plan.load_per_s, seconds)
    await asyncio.sleep(_SETTLE_S)
    load_limit = await echo_and_commit(town, _LIMIT_SAMPLES, plan.per_s)
    under = await press_latencies(town, watches[_WARM_UP + plan.presses :][: plan.presses], plan.per_s)
    output, _ = await load.communicate()
    if load.returncode:
        raise Unavailable("The load generator failed; its words are above.")
    kept = json.loads(output)["per_s"]
    name = f"load_{plan.load_per_s}"
    figures = {**_named("idle", idle), **_named(name, under), f"{name}_kept_per_s": kept}
    return figures, {**_named("idle", idle_limit), **_named(name, load_limit)}


def _named(name: str, milliseconds: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50_ms": percentile(milliseconds, 50),
        f"{name}_p99_ms": percentile(milliseconds, 99),
        f"{name}_max_ms": max(milliseconds),
    }


async def _start_load(town: Town, per_s: int, seconds: float) -> asyncio.subprocess.Process:
    words = ("--fleet-file", str(town.fleet_file), "--host", town.ready.mqtt_host, "--port", str(town.ready.mqtt_port))
    rate = ("--per-second", str(per_s), "--seconds", str(seconds))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.bench.load", *words, *rate, stdout=asyncio.subprocess.PIPE
    )
