"""`anxin bench`: measures a platform of its own beside its limits, in one run."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable

from simulators.bench.report import table
from simulators.bench.sos_latency import Plan, sos_latency
from simulators.open_files import allow_many_sockets

EXAMPLE = """example:
  anxin bench sos-latency
  anxin bench sos-latency --presses 200 --repeats 1 --json

It starts a town of its own in a temporary folder and removes it. Results: docs/benchmarks.md.
"""


def main(argv: list[str] | None = None) -> int:
    """0: measured, whatever the figures; 2: could not, one sentence says why."""
    options = _parser().parse_args(argv)
    allow_many_sockets()
    plan = Plan(options.presses, options.per_second, options.load_per_second, options.repeats)
    document = asyncio.run(sos_latency(plan, _say))
    sys.stdout.write((json.dumps(document, indent=2) if options.json else table(document)) + "\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="anxin bench", description="Measure beside the limit, in one run.", epilog=EXAMPLE, formatter_class=raw
    )
    benches = parser.add_subparsers(required=True, metavar="BENCH")
    latency = benches.add_parser(
        "sos-latency",
        help="from a scheduled press to its frame at a WebSocket client",
        description="Presses of distinct elders at scheduled times, idle and under telemetry, timed to the frame.",
        epilog=EXAMPLE,
        formatter_class=raw,
    )
    latency.add_argument("--presses", type=_between(10, 5000), default=1000, help="presses a phase (default: 1000)")
    latency.add_argument("--per-second", type=_between(1, 200), default=20, help="presses a second (default: 20)")
    latency.add_argument("--load-per-second", type=_between(1, 20000), default=1000, help="telemetry (default: 1000)")
    latency.add_argument("--repeats", type=_between(1, 20), default=3, help="fresh platforms (default: 3)")
    latency.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _between(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main())
