"""`anxin backup`: a verified copy of the database, and with `--follow` its log, second by second."""

import argparse
import json
import signal
import sys
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from core.runtime.settings import DatabaseSettings
from stack import drill
from stack.__main__ import shown_progress
from stack.backup_store import Backup, BackupStore
from stack.base_backup import ask_server, take_backup
from stack.cache import locked
from stack.errors import StackError
from stack.fetch import Progress
from stack.follow import SLOT, Follower
from stack.pg_programs import find_programs

EXAMPLE = """example:
  anxin backup --to /var/backups/anxin                       one verified backup
  anxin backup --to /var/backups/anxin --follow --keep 7     one a day, and the log in between; runs until stopped
  anxin backup --to /var/backups/anxin --list                what is there, how far behind the follower is
  anxin backup drill --json                                  lose a database on purpose, and measure

restore with: anxin restore --help"""


def main(argv: list[str] | None = None) -> int:
    """0: done or stopped as asked; 2: no backup, the sentence on stderr says why."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["drill"]:
        return drill.main(words[1:])
    options = _parser().parse_args(words)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(options)
    except StackError as error:
        print(f"anxin backup: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0 if options.follow else 130


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace) -> int:
    store = BackupStore(options.to)
    if options.list:
        _list(store, as_json=options.json)
        return 0
    url = DatabaseSettings.load(database_url=options.database_url).database_url.get_secret_value()
    with shown_progress() as progress:
        if options.follow:
            return _follow(url, store, options, progress)
        backup = take_backup(url, store, keep=options.keep, max_rate_mb_s=options.max_mb_per_s, progress=progress)
    _tell(store, backup, as_json=options.json)
    return 0


def _follow(url: str, store: BackupStore, options: argparse.Namespace, progress: Progress) -> int:
    """Stream for ever; a whole backup when the newest is too old or the stream broke off."""
    programs = find_programs(ask_server(url).major)
    store.prepare()
    with locked(store.folder / "follow.lock", "another follower uses this folder, waiting for it", progress):
        follower = Follower(url, store, programs, options.slot, _say)
        thread = threading.Thread(target=follower.run, name="follower", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                # The stream first: what is written while the copy is taken belongs to it, and to the backup before.
                if follower.streaming.wait(1) and (follower.broke_off.is_set() or _is_due(store, options.every_hours)):
                    follower.broke_off.clear()
                    _try_backup(url, store, options, progress)
                time.sleep(1)
        finally:
            follower.stop.set()
            thread.join(30)
    raise StackError(f"following ended: {follower.failure}")


def _try_backup(url: str, store: BackupStore, options: argparse.Namespace, progress: Progress) -> None:
    if not store.backups():
        _tell(store, take_backup(url, store, keep=options.keep, max_rate_mb_s=options.max_mb_per_s, progress=progress),
              as_json=options.json)  # fmt: skip
        return
    try:
        backup = take_backup(url, store, keep=options.keep, max_rate_mb_s=options.max_mb_per_s, progress=progress)
    except StackError as error:
        # The stream is worth more than a newer copy: say it, go on, try again.
        _say(f"no new backup: {error}")
        time.sleep(60)
    else:
        _tell(store, backup, as_json=options.json)


def _is_due(store: BackupStore, every_hours: float) -> bool:
    newest = store.backups()[-1:]
    return not newest or (datetime.now(UTC) - newest[0].finished).total_seconds() > every_hours * 3600


def _tell(store: BackupStore, backup: Backup, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**asdict(backup), "folder": str(store.folder / backup.name)}), flush=True)
        return
    print(
        f"backup {store.folder / backup.name}: {backup.bytes // 1_000_000} MB, verified, schema {backup.schema_version}"
    )
    print("NOT in it, keep apart from it and from this machine:")
    for each in backup.keep_apart:
        print(f"  {each['what']} ({each['where']}): {each['why']}")
    sys.stdout.flush()


def _list(store: BackupStore, *, as_json: bool) -> None:
    backups, follower = store.backups(), store.following()
    if as_json:
        print(json.dumps({"backups": [asdict(backup) for backup in backups], "follower": follower}))
        return
    for backup in backups:
        print(
            f"{backup.name}  {backup.bytes // 1_000_000:>8} MB  schema {backup.schema_version}  to {backup.finished_at}"
        )
    if not backups:
        print(f"no backup in {store.folder}")
    if follower:
        state = f"{follower['behind_bytes']} bytes behind" if follower["connected"] else follower["trouble"]
        print(f"follower: {state}, at {follower['at']}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin backup",
        description="Copy the database while it works and verify the copy; with --follow stream its log as well.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--to", type=Path, required=True, metavar="DIR", help="folder of backups, on another disk or machine")
    add("--database-url", metavar="URL", help="instead of ANXIN_DATABASE_URL (a password there is visible to others)")
    add("--keep", type=_whole, default=7, metavar="N", help="remove older ones once a new one is verified (default: 7)")
    add("--follow", action="store_true", help="go on streaming the log until stopped: a lost server loses seconds")
    add(
        "--every-hours", type=float, default=24, metavar="H", help="with --follow, age of a copy to renew (default: 24)"
    )
    add("--slot", default=SLOT, metavar="NAME", help="replication slot of this follower (default: %(default)s)")
    add("--max-mb-per-s", type=_whole, default=0, metavar="N", help="copy no faster than this (default: no limit)")
    add("--list", action="store_true", help="only say what the folder holds")
    add("--json", action="store_true", help="one JSON object instead of sentences")
    return parser


def _whole(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1023:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1023")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
