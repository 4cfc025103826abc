"""What a bench is: a name, what can be set, and one run that ends in the contract's object.

Each module of `bench_cli.BENCHES` has one constant:

    BENCH = Bench("ingest-drain", "a queued backlog, until it is committed", SETTINGS, run,
                  asked={"drained_per_s": "≥ 20,000"})

`run(options, say)` plans from the options, measures, and returns what `report.report` makes. It never judges: a figure
below what was asked is a figure. What it checks is truth (nothing lost, nothing doubled), and then it raises.
"""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Say = Callable[[str], None]
Document = dict[str, Any]
Run = Callable[[argparse.Namespace, Say], Awaitable[Document]]


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number that can be set: `--name`, its value for the real run and for the short form in CI."""

    name: str
    usual: int
    short: int
    low: int
    high: int
    purpose: str

    @property
    def member(self) -> str:
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Bench:
    """`asked`: what the project wants of a figure, as a person reads it; printed beside what was measured."""

    name: str
    purpose: str
    settings: tuple[Number, ...]
    run: Run
    asked: Mapping[str, str] = field(default_factory=dict)


REPEATS = Number("repeats", 3, 1, 1, 20, "how often; the medians are told")


def add_settings(parser: argparse.ArgumentParser, bench: Bench) -> None:
    for number in bench.settings:
        parser.add_argument(
            f"--{number.name}",
            type=between(number.low, number.high),
            metavar="N",
            help=f"{number.purpose} (default: {number.usual}; short: {number.short})",
        )


def settle(options: argparse.Namespace, bench: Bench) -> argparse.Namespace:
    """Fill in what was not said: the usual values, or those of the short form."""
    for number in bench.settings:
        if getattr(options, number.member) is None:
            setattr(options, number.member, number.short if options.short else number.usual)
    return options


def between(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")
        return int(text)

    return number
