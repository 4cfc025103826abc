"""The telemetry generator, a process of its own so that it cannot slow what it loads.

    python -m simulators.bench.load --fleet-file F --port P --per-second 1000 --seconds 60

Single readings, QoS 1, from the fleet's hubs in turn. It prints one JSON object: how many it was asked for, how many
the broker acknowledged, and the rate it really kept.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from pathlib import Path

from core.domain.fleet import Fleet, FleetMember
from core.runtime.mqtt import BrokerAddress, Disconnected, MqttSession, OutgoingFull
from simulators.read_fleet import read_fleet

_HUBS = 200
_STEP_S = 0.01


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.bench.load", description="Telemetry at a steady rate.")
    parser.add_argument("--fleet-file", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--per-second", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args(argv)
    told = asyncio.run(_generate(read_fleet(options.fleet_file), options))
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


async def _generate(fleet: Fleet, options: argparse.Namespace) -> dict[str, float]:
    hubs = [member for member in fleet.members if member.kind == "hub"][:_HUBS]
    sessions = [_session(hub, options) for hub in hubs]
    await asyncio.gather(*(session.start() for session in sessions))
    await asyncio.gather(*(session.connected.wait() for session in sessions))
    acknowledged = 0
    waiting: set[asyncio.Task[None]] = set()

    async def send(n: int) -> None:
        nonlocal acknowledged
        hub = n % len(hubs)
        payload = json.dumps({"type": "temperature", "value": round(random.uniform(18, 26), 1), "id": f"load-{n}"})  # noqa: S311
        with contextlib.suppress(Disconnected, OutgoingFull):
            await sessions[hub].publish(f"anxin/v1/{hubs[hub].device_id}/up/telemetry", payload.encode())
            acknowledged += 1

    began = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - began) < options.seconds:
        while sent < passed * options.per_second:
            task = asyncio.create_task(send(sent))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            sent += 1
        await asyncio.sleep(_STEP_S)
    took = time.monotonic() - began
    await asyncio.gather(*waiting)
    await asyncio.gather(*(session.close() for session in sessions))
    return {"sent": sent, "acknowledged": acknowledged, "per_s": acknowledged / took}


def _session(hub: FleetMember, options: argparse.Namespace) -> MqttSession:
    broker = BrokerAddress(options.host, options.port, hub.username, hub.password)
    return MqttSession(broker, client_id=f"load-{hub.device_id}")


if __name__ == "__main__":
    sys.exit(main())
