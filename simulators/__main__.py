"""`anxin simulate`: the homes of a fleet file, alive on a broker."""

import argparse
import sys
from pathlib import Path

from core.runtime.logs import configure_logs
from core.runtime.service import Service, run_service
from core.runtime.settings import LogSettings
from simulators.fleet_run import FleetRun, Play
from simulators.open_files import allow_many_sockets
from simulators.read_fleet import read_fleet
from simulators.scenario import SCENARIOS

EXAMPLE = """example:
  anxin simulate --fleet-file fleet.json --port 1883 --scenario first-minute --truth-file truth.json
  anxin simulate --fleet-file fleet.json --speed 60 --minutes 1440      a day in 24 minutes, ending now

The fleet file is written by `anxin town seed` and by `anxin demo` (in its data folder).
"""


def main(argv: list[str] | None = None) -> int:
    """0: ended as asked; 2: could not start, one sentence says why."""
    options = _parser().parse_args(argv)
    settings = LogSettings.load()
    configure_logs("fleet", level=settings.log_level, form="text" if sys.stderr.isatty() else settings.log_format)
    play = _play(options)
    allow_many_sockets()

    async def live(service: Service) -> None:
        await FleetRun(play, service.stop).run()

    return run_service("fleet", live)


def _play(options: argparse.Namespace) -> Play:
    if options.speed > 1 and options.minutes is None:
        options.minutes = 1440.0
    return Play(
        fleet=read_fleet(options.fleet_file),
        host=options.host,
        port=options.port,
        scenario=options.scenario,
        seed=options.seed,
        speed=options.speed,
        minutes=options.minutes,
        truth_file=options.truth_file,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin simulate",
        description="Simulated homes with hubs and wearables, from a fleet file, on a broker.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fleet-file", type=Path, required=True, metavar="F", help="the devices and their passwords")
    parser.add_argument("--host", default="127.0.0.1", help="the broker (default: %(default)s)")
    parser.add_argument("--port", type=int, default=1883, metavar="P", help="its port (default: %(default)s)")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), help="what goes wrong (default: nothing)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the scenario (default: 1)")
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="X", help="town seconds a second, 1 to 10000 (default: 1)"
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="end after so many minutes of the town (default: never; 1440 with a speed above 1)",
    )
    parser.add_argument("--truth-file", type=Path, metavar="T", help="write the scenario's ground truth here, as JSON")
    return parser


def _speed(text: str) -> float:
    return _number(text, 1, 10_000)


def _minutes(text: str) -> float:
    return _number(text, 0.01, 30 * 1440)


def _number(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text} is not a number from {low:g} to {high:g}")
    return value


if __name__ == "__main__":
    sys.exit(main())
