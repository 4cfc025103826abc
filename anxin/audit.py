"""`anxin audit`: is the access log whole, and does the sum of everything received close?"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from alerts.platform import accounting
from alerts.platform.accounting import Difference, LaneTotals
from core.runtime.crypto import Keyring
from core.runtime.settings import KeySettings
from registry import access_log
from registry.command_connection import command_connection

EXAMPLE = """example:
  anxin audit verify --head-file /var/lib/anxin/access-seal-head
  anxin audit accounting --days 2
"""
_COLUMNS = ("received", "accepted", "duplicate", "echo", "rejected", "ignored", "keys", "dead_letters")


def main(argv: list[str] | None = None) -> int:
    """0: it is whole, it closes; 1: it does not, a line each."""
    options = _parser().parse_args(argv)
    if options.command == "accounting":
        return asyncio.run(_accounting(options))
    problems = asyncio.run(_verify(options.head_file))
    sys.stdout.write("\n".join(problems or ["the access log is whole"]) + "\n")
    return 1 if problems else 0


async def _verify(head_file: Path) -> list[str]:
    keyring = Keyring.from_settings(KeySettings.load())
    async with command_connection("audit") as conn:
        return await access_log.verify(conn, keyring, head_file)


async def _accounting(options: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    async with command_connection("audit") as conn:
        totals = await accounting.read_totals(conn)
        found = accounting.differences(totals)
        minutes = await accounting.booked_minutes(conn, now - timedelta(days=options.days), now + accounting.MINUTE)
        spans = list(accounting.slices(minutes))
        for number, (since, until) in enumerate(spans, 1):
            found += await accounting.count_slice(conn, since, until)
            if sys.stderr.isatty():
                sys.stderr.write(f"\rcounted back to {since:%Y-%m-%d %H:%M} UTC ({number} of {len(spans)})\x1b[K")
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        if options.write_off is not None:
            await accounting.write_off(conn, found, options.write_off, now)
    print_report = _as_json if options.json else _as_table
    print_report(totals, found, sum(rows for _, rows in minutes))
    left = found if options.write_off is None else [one for one in found if one.since is None]
    return 1 if left else 0


def _as_json(totals: Sequence[LaneTotals], found: Sequence[Difference], counted: int) -> None:
    body: dict[str, Any] = {
        "closes": not found,
        "rows_counted": counted,
        "lanes": [asdict(of) for of in totals],
        "differences": [{**asdict(one), "sentence": one.sentence()} for one in found],
    }
    sys.stdout.write(json.dumps(body, default=str, indent=2) + "\n")


def _as_table(totals: Sequence[LaneTotals], found: Sequence[Difference], counted: int) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("worker")
    table.add_column("lane")
    for name in _COLUMNS:
        table.add_column(name.replace("_", " "), justify="right")
    for of in totals:
        table.add_row(str(of.worker), of.lane, *(f"{getattr(of, name):,}" for name in _COLUMNS))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(table)
    for one in found:
        console.print(f"does not close: {one.sentence()}", style="red", soft_wrap=True)
    if not found:
        console.print(f"the sum closes; {counted:,} rows counted one by one", soft_wrap=True)


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= 35:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days above 0 and up to 35, as keys are kept")
    return days


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="anxin audit",
        description="The access log and its seals; the accounting of everything received.",
        epilog=EXAMPLE,
        formatter_class=raw,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    verify = commands.add_parser("verify", help="recompute the chain of seals", epilog=EXAMPLE, formatter_class=raw)
    verify.add_argument("--head-file", type=Path, required=True, help="the engine's ANXIN_ACCESS_SEAL_HEAD_FILE")
    sums = commands.add_parser(
        "accounting", help="counts against counts and against the rows", epilog=EXAMPLE, formatter_class=raw
    )
    sums.add_argument("--days", type=_days, default=35, metavar="D", help="count the rows of so many days (default 35)")
    sums.add_argument("--json", action="store_true", help="the same as JSON")
    sums.add_argument(
        "--write-off",
        metavar="REASON",
        help="book the differences of rows as explained, with the reason on record in the access log",
    )
    return parser
