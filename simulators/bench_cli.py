"""`anxin bench`: a table of benches, each of which measures a platform of its own beside its limits, in one run."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from core.errors import AnxinError
from simulators.bench.report import table
from simulators.bench.shape import Bench, Say, add_settings, settle
from simulators.open_files import allow_many_sockets

# A module is imported only for its own bench or for help: `anxin bench NAME` starts quickly.
BENCHES: Mapping[str, str] = {
    "ingest-drain": "simulators.bench.ingest_drain",
    "ingest-live": "simulators.bench.ingest_live",
    "ingest-batch": "simulators.bench.ingest_batch",
    "noisy-device": "simulators.bench.noisy_device",
    "outage": "simulators.bench.outage",
    "reconnect-storm": "simulators.bench.reconnect_storm",
    "readings-query": "simulators.bench.readings_query",
    "sos-latency": "simulators.bench.sos_latency",
}

EXAMPLE = """example:
  anxin bench sos-latency
  anxin bench sos-latency --short --json
  anxin bench sos-latency --repeats 1 --save sos-latency.json

It starts a town of its own in a temporary folder and removes it. Results: docs/benchmarks.md.
"""


def main(argv: list[str] | None = None) -> int:
    """0: measured, whatever the figures; 2: could not, or the platform lost something; one sentence says what."""
    options = _parser().parse_args(argv)
    bench: Bench = options.bench
    allow_many_sockets()
    document = asyncio.run(_measured(bench, settle(options, bench)))
    text = json.dumps(document, indent=2) + "\n"
    if options.save:
        options.save.write_text(text, encoding="utf-8")
    sys.stdout.write(text if options.json else table(document, bench.asked) + "\n")
    return 0


async def _measured(bench: Bench, options: argparse.Namespace) -> dict[str, object]:
    try:
        return await bench.run(options, _teller())
    except ExceptionGroup as group:
        raise _sentence(group) from group


def _sentence(group: ExceptionGroup[Exception]) -> Exception:
    """What one of several tasks side by side could not do, if it said so itself: a person reads that, not a trace."""
    told, _ = group.split(AnxinError)
    error: Exception = told or group
    while told is not None and isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _teller() -> Say:
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {text}\n")
        sys.stderr.flush()

    return say


def find(name: str) -> Bench:
    bench: Bench = import_module(BENCHES[name]).BENCH
    return bench


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="anxin bench", description="Measure beside the limit, in one run.", epilog=EXAMPLE, formatter_class=raw
    )
    benches = parser.add_subparsers(required=True, metavar="BENCH")
    for bench in map(find, BENCHES):
        example = f"example:\n  anxin bench {bench.name}\n  anxin bench {bench.name} --short --json\n"
        one = benches.add_parser(
            bench.name, help=bench.purpose, description=bench.purpose, epilog=example, formatter_class=raw
        )
        add_settings(one, bench)
        one.add_argument("--short", action="store_true", help="small numbers: is it right, not how fast is it")
        one.add_argument("--json", action="store_true", help="print one JSON object")
        one.add_argument("--save", type=Path, metavar="F", help="also write the JSON object to this file")
        one.set_defaults(bench=bench)
    return parser


if __name__ == "__main__":
    sys.exit(main())
