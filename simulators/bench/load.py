"""The telemetry generator, a process of its own so that it cannot slow what it loads.

    python -m simulators.bench.load --fleet-file F --port P --run a1 --per-second 12000 --seconds 60

It writes one JSON object a second and one in the end (`load_plan.LoadTold`). SIGTERM ends it early, in order: what was
written gets its PUBACK and is told.
"""

import argparse
import itertools
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from core.domain.fleet import FleetMember
from simulators.bench.load_frames import HANDFUL, Writer, speech_of
from simulators.bench.load_links import Link, Links
from simulators.bench.load_plan import LoadPlan, LoadTold
from simulators.open_files import allow_many_sockets
from simulators.read_fleet import read_fleet

_STEP_S = 0.01
_ANSWERS_EVERY_S = 0.1  # PUBACKs of a schedule: nothing waits for them, so they are counted many at once
_LAST_PUBACK_WITHIN_S = 120.0
_ROUND = HANDFUL  # frames a connection and turn when unthrottled: the devices' words mix, as they would


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    plan = LoadPlan.of(options)
    allow_many_sockets()
    hubs = hubs_of(read_fleet(options.fleet_file).members, plan)
    load = _Load(plan, hubs, Links(options.host, options.port))
    signal.signal(signal.SIGTERM, lambda *_: load.stop())
    load.links.open(hubs, "load")
    load.run()
    _tell(load.told())
    return 0


def hubs_of(members: Sequence[FleetMember], plan: LoadPlan) -> list[FleetMember]:
    """The hubs that speak: as many as asked for, else as many as it takes for the devices."""
    hubs = [member for member in members if member.kind == "hub"][plan.first_hub :]
    if plan.hubs:
        return hubs[: plan.hubs]
    reach = list(itertools.accumulate(len(hub.children) for hub in hubs))
    enough = next((n for n, children in enumerate(reach, 1) if children >= plan.devices), len(hubs))
    return hubs[: enough if plan.devices else len(hubs)]


class _Load:
    def __init__(self, plan: LoadPlan, hubs: Sequence[FleetMember], links: Links) -> None:
        self.plan, self.links = plan, links
        self._writer = Writer(speech_of(hubs, plan), plan)
        self._messages = 0
        self._late_s = 0.0
        self._stopped = False
        self._began = self._told_at = time.monotonic()
        self._cpu = time.process_time()

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        self._began = self._told_at = time.monotonic()
        self._cpu = time.process_time()
        (self._on_schedule if self.plan.per_second else self._unthrottled)()
        self.links.drain(_LAST_PUBACK_WITHIN_S)
        self.links.close()

    def _over(self, passed: float) -> bool:
        plan = self.plan
        return (
            self._stopped
            or bool(plan.messages and self._messages >= plan.messages)
            or bool(plan.seconds and passed >= plan.seconds)
        )

    def _on_schedule(self) -> None:
        """Open loop: what is due goes out, whatever came back of the rest."""
        plan, most = self.plan, self.plan.messages or sys.maxsize
        whole = HANDFUL if plan.per_second * _STEP_S >= HANDFUL else 1
        answers = 0.0
        while not self._over(passed := time.monotonic() - self._began):
            due = min(int(passed * plan.per_second) // whole * whole, most) - self._messages
            if due > 0:
                self._late_s = max(self._late_s, passed - self._messages / plan.per_second - _STEP_S)
                self.links.flush(self._write(due))
            if passed >= answers:
                answers = passed + _ANSWERS_EVERY_S
                self.links.turn(0.0)
            self._tell_each_second()
            time.sleep(max(0.0, self._began + passed + _STEP_S - time.monotonic()))

    def _unthrottled(self) -> None:
        """As fast as the broker answers: a window of unacknowledged messages for each connection."""
        links, window = self.links.links, self.plan.window
        while not self._over(time.monotonic() - self._began):
            room = sum(min(_ROUND, max(0, window - link.waiting)) for link in links)
            if self.plan.messages:
                room = min(room, self.plan.messages - self._messages)
            touched = self._write(room)
            self.links.flush(touched)
            self.links.turn(0.0 if touched else _STEP_S)
            self._tell_each_second()

    def _write(self, count: int) -> set[Link]:
        writer, links = self._writer, self.links.links
        writer.times.step()
        touched = set()
        for number in range(self._messages, self._messages + count):
            hub, opening, payload = writer.message(number)
            link = links[hub]
            link.queue(opening, payload)
            touched.add(link)
        self._messages += count
        return touched

    def told(self) -> LoadTold:
        seconds = time.monotonic() - self._began
        return LoadTold(
            messages=self._messages,
            acknowledged=self.links.acknowledged,
            readings=self._writer.readings,
            distinct=self._writer.distinct,
            seconds=round(seconds, 3),
            per_s=round(self.links.acknowledged / seconds, 1),
            late_max_ms=round(self._late_s * 1000, 1),
            cpu_ms_per_1000=round((time.process_time() - self._cpu) * 1e6 / max(1, self._messages), 2),
        )

    def _tell_each_second(self) -> None:
        if time.monotonic() - self._told_at >= 1:
            self._told_at += 1
            _tell(self.told())


def _tell(told: LoadTold) -> None:
    sys.stdout.write(json.dumps(asdict(told)) + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.bench.load", description="Telemetry for a bench.")
    parser.add_argument("--fleet-file", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    for field in fields(LoadPlan):
        option = f"--{field.name.replace('_', '-')}"
        if field.name == "run":
            parser.add_argument(option, required=True)
        else:
            parser.add_argument(option, type=type(field.default), default=field.default)
    return parser


if __name__ == "__main__":
    sys.exit(main())
