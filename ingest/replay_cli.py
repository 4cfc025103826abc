"""`anxin replay dead-letters`: rejected messages once more, after the cause was put right."""

import argparse
import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import psycopg
from psycopg import AsyncConnection
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from core.contract.event import Reason
from core.errors import Conflict, Unavailable
from core.runtime.clock import Clock
from core.runtime.settings import DatabaseSettings
from core.store.migrate import check_schema
from core.store.pool import is_retryable
from ingest.database import LaneDatabase
from ingest.replay import Letter, Replay, Selection, Tally, alone, count
from registry.directory import load_directory

EXAMPLE = """example:
  anxin replay dead-letters --reason unknown_child --dry-run      what would become of them
  anxin replay dead-letters --reason unknown_child --since 7d     after the children were registered
  anxin replay dead-letters --device dv-7f3k9q2m --json

What is accepted now, or was stored meanwhile, is marked as replayed; what is refused again stays. Emergencies that rang
when they were refused are stored and do not ring again; other alarms ring, marked as late. A recording is played by
`anxin replay PATH` (see: anxin replay --help). ANXIN_DATABASE_URL names the database; no broker is needed.
"""


def main(argv: list[str] | None = None) -> int:
    """0: done, whatever is refused again; 2: it cannot be done, a sentence says why."""
    options = _parser().parse_args(argv)
    tally = asyncio.run(_run(options))
    (_as_json if options.json else _as_table)(tally, dry_run=options.dry_run)
    return 0


async def _run(options: argparse.Namespace) -> Tally:
    url = DatabaseSettings.load().database_url.get_secret_value()
    try:
        return await _replay(url, options)
    except (psycopg.Error, OSError) as error:
        if not is_retryable(error):
            raise
        raise Unavailable(
            "The database does not answer. What was replayed stays so: run the same command again when it is back "
            "(anxin stack start, or check ANXIN_DATABASE_URL)."
        ) from error


async def _replay(url: str, options: argparse.Namespace) -> Tally:
    clock = Clock()
    selection = _selection(options, clock.now())
    database = LaneDatabase(url, name="replay", emergency=False)
    reader = await AsyncConnection.connect(
        url, autocommit=True, connect_timeout=5, application_name="anxin replay", options="-c timezone=UTC"
    )
    async with reader:
        await check_schema(reader)
        if not options.dry_run and not await alone(reader):
            raise Conflict("Another replay of dead letters is running: wait until it has ended.")
        replay = Replay(database, await load_directory(reader), dry_run=options.dry_run)
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("replaying", total=await count(reader, selection))
            last: Letter | None = None
            while letters := await replay.page(reader, selection, last):
                await replay.run(letters, clock.now())
                last = letters[-1]
                bar.update(task, completed=replay.tally.letters)
        await database.close()
    return replay.tally


def _selection(options: argparse.Namespace, now: datetime) -> Selection:
    given: dict[str, Any] = {"reason": options.reason, "device": options.device, "limit": options.limit}
    for name in ("since", "until"):
        moment = getattr(options, name)
        if moment is not None:
            given[name] = now - moment if isinstance(moment, timedelta) else moment
    return Selection(**given)


def _as_json(tally: Tally, *, dry_run: bool) -> None:
    body: dict[str, Any] = {
        "dry_run": dry_run,
        "letters": tally.letters,
        "replayed": 0 if dry_run else tally.replayed,
        "events": [
            {"reason": reason, "outcome": outcome, "events": events}
            for (reason, outcome), events in sorted(tally.outcomes.items())
        ],
    }
    sys.stdout.write(json.dumps(body, indent=2) + "\n")


def _as_table(tally: Tally, *, dry_run: bool) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if tally.outcomes:
        table = Table(box=None, pad_edge=False)
        for name in ("was rejected for", "now"):
            table.add_column(name)
        table.add_column("events", justify="right")
        for (reason, outcome), events in sorted(tally.outcomes.items()):
            table.add_row(reason, "accepted, if it is not stored yet" if dry_run and outcome == "accepted" else outcome,
                          f"{events:,}")  # fmt: skip
        console.print(table)
    word = "would be replayed" if dry_run else "replayed"
    console.print(f"{tally.letters:,} dead letters looked at, {tally.replayed:,} {word}", soft_wrap=True)


def _moment(text: str) -> datetime | timedelta:
    """A moment with its offset, or how long ago: 7d, 36h, 90m."""
    if match := re.fullmatch(r"(\d{1,5})([dhm])", text):
        return timedelta(**{{"d": "days", "h": "hours", "m": "minutes"}[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} is not like 7d, 36h, 90m or 2026-03-01T08:30:00+08:00")
    return moment.astimezone(UTC)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin replay dead-letters",
        description="Judge and store rejected messages again, in the order they were received, after the cause was put "
        "right.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--reason", choices=get_args(Reason), metavar="R", help="only those rejected for this reason")
    parser.add_argument("--device", metavar="ID", help="only those published by this device (a hub, for its children)")
    parser.add_argument("--since", type=_moment, metavar="T", help="received from then on: 7d, 36h, 90m or RFC 3339")
    parser.add_argument("--until", type=_moment, metavar="T", help="received before then")
    parser.add_argument("--limit", type=_limit, metavar="N", help="at most so many dead letters")
    parser.add_argument("--dry-run", action="store_true", help="only say what would become of them")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
