"""`anxin chaos`: kills, cuts and fills while everything published is counted, then compares."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.errors import AnxinError
from simulators.bench.report import commit
from simulators.chaos.faults import KINDS
from simulators.chaos.report import Round, document, table, verdict, weaknesses
from simulators.chaos.run import Outcome, Plan, run
from simulators.open_files import allow_many_sockets

EXAMPLE = """example:
  anxin chaos --rounds 20 --json > chaos.json
  anxin chaos --rounds 3 --kinds database,ingest --seed 7

It starts platforms of its own in temporary folders and removes them. The kind `disk` mounts small disks and needs
root, else it is skipped. What is counted and what each kill may lose: docs/durability.md.
"""

_TABLE_COLUMNS = 110  # the eight kinds side by side; a file or a narrow terminal gets them whole, too


def main(argv: list[str] | None = None) -> int:
    """0: every nought is one; 1: something was lost, doubled or silent, or the run proves too little (`weaknesses`);
    2: could not run, one sentence says why."""
    options = _parser().parse_args(argv)
    allow_many_sockets()
    plan = Plan(options.rounds, options.kinds, options.seed, options.per_second, options.keep or _keep_folder())
    try:
        outcome = asyncio.run(_shown(plan))
    except AnxinError as error:
        sys.stderr.write(f"anxin chaos: {error}\n")
        return 2
    told = document(outcome.rounds, plan.rounds, plan.kinds, outcome.skipped, outcome.settings, commit())
    if options.json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        Console(width=max(_TABLE_COLUMNS, Console().width)).print(table(told), told["settings"])
    failed = any(each.failures for each in outcome.rounds)
    sys.stderr.write(verdict(outcome.rounds) + (f"\nlogs: {plan.keep}\n" if failed else "\n"))
    return 1 if failed or (weaknesses(outcome.rounds) and not options.allow_weak) else 0


async def _shown(plan: Plan) -> Outcome:
    """A bar on a terminal, a line a round elsewhere."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=plan.rounds * len(plan.kinds))

        def say(text: str) -> None:
            bar.update(task, description=text)

        def tell(told: Round) -> None:
            bar.advance(task)
            console.print(_line(told), soft_wrap=True)

        return await run(plan, say, tell)


def _line(told: Round) -> str:
    missing = f", {told.counts['puback_missing']} only acknowledged" if told.counts["puback_missing"] else ""
    state = ", ".join(f"{told.counts[name]} {name}" for name in told.failures) or "nothing lost"
    flight = "a batch in flight" if told.in_flight else "no batch in flight"
    return (
        f"{time.strftime('%H:%M:%S')} {told.kind} {told.number}: {told.fault}, {flight}; ready after "
        f"{told.recovery_s:.1f} s; {told.published} published at {told.per_s:.0f}/s; {state}{missing}"
    )


def _keep_folder() -> Path:
    return Path.cwd() / f"chaos-{time.strftime('%Y%m%d-%H%M%S')}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin chaos",
        description="Kill parts and servers, cut lines, fill disks under load; then compare what was published with "
        "what is stored and what rang.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=_between(1, 1000), default=3, metavar="N", help="of each kind (default: 3)")
    parser.add_argument(
        "--kinds", type=_kinds, default=KINDS, metavar="A,B", help=f"which faults (default: {','.join(KINDS)})"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="decides moments and forms (default: 1)")
    parser.add_argument(
        "--per-second", type=_between(100, 20000), default=3000, metavar="R", help="telemetry messages (default: 3000)"
    )
    parser.add_argument(
        "--allow-weak",
        action="store_true",
        help="do not fail for faults that met no batch in flight or a rate below the one asked for: for a short run",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--keep", type=Path, metavar="D", help="where the logs of failed rounds go (default: chaos-<time> here)"
    )
    return parser


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(text.split(",")))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is no kind of fault; there are: {', '.join(KINDS)}")
    return kinds


def _between(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main())
