"""`anxin restore`: a backup and its log into a new data folder, checked before anybody is pointed at it."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from core.store.queries import load_queries
from stack import recovery
from stack.__main__ import shown_progress
from stack.backup_store import Backup, BackupStore
from stack.base_backup import verify
from stack.cache import install, locked
from stack.database import DATABASE, SUPERUSER, cluster_folder
from stack.errors import DiskFull, RestoreFailed, StackError, disk_errors_named
from stack.fetch import Progress
from stack.identity import require_reachable, server_identity
from stack.paths import StackPaths
from stack.pg_programs import find_programs
from stack.restore_checks import Content, examine
from stack.state import StackState, choose_port, new_state, save_state

EXAMPLE = """example:
  anxin restore --from /var/backups/anxin --data-dir /var/lib/anxin-restored
  anxin restore --from /var/backups/anxin --data-dir /var/lib/anxin-0300 --until 2026-11-27T03:00:00+08:00
  anxin restore --from /var/backups/anxin --check            only prove that it can be restored

then: anxin stack start --data-dir /var/lib/anxin-restored"""


@dataclass(frozen=True)
class Restored:
    """`seconds`: from the command to a checked database. `log_trouble`: what is wrong with the streamed log."""

    backup: Backup
    data_dir: Path
    content: Content
    seconds: float
    log_trouble: list[str]


def main(argv: list[str] | None = None) -> int:
    """0: restored and whole; 1: restored, but a check failed; 2: not restored, the sentence on stderr says why."""
    options = _parser().parse_args(argv)
    if options.data_dir is None and not options.check:
        _parser().error("give --data-dir, or --check to restore into a folder that is removed again")
    try:
        with shown_progress() as progress:
            restored = _restore(options, progress)
    except StackError as error:
        print(f"anxin restore: {error}", file=sys.stderr)
        return 2
    _tell(restored, options)
    return 1 if restored.content.problems else 0


def _restore(options: argparse.Namespace, progress: Progress) -> Restored:
    choice = {"until": options.until, "head_file": options.head_file, "progress": progress}
    if options.data_dir is not None and not options.check:
        return restore(options.backup_folder, options.data_dir, **choice)
    parent = options.data_dir.parent if options.data_dir else Path("/tmp")  # noqa: S108 - a random name, 0711
    trial = Path(tempfile.mkdtemp(prefix="anxin-restore-check-", dir=parent))
    trial.chmod(0o711)
    try:
        return restore(options.backup_folder, trial / "data", **choice)
    finally:
        shutil.rmtree(trial)


def restore(
    source: Path, data_dir: Path, *, until: datetime | None, head_file: Path | None, progress: Progress
) -> Restored:
    """Raises StackError; then `data_dir` holds nothing that a stack would start."""
    began = time.monotonic()
    store, backup = choose(source, until)
    paths = install(progress)
    programs = find_programs(int(backup.server_version.split(".")[0]))
    identity = server_identity()
    folder = data_dir.absolute()
    require_reachable(folder, identity)
    _require_extension(backup, paths)
    with disk_errors_named(folder):
        _require_new(folder)
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        with locked(folder / "lock", "another command uses this data folder, waiting for it", progress):
            if shutil.disk_usage(folder).free < backup.bytes:
                raise DiskFull(folder)
            cluster = folder / "postgresql.restoring"
            shutil.rmtree(cluster, ignore_errors=True)
            progress(f"copying {backup.bytes // 1_000_000} MB of {backup.name}")
            recovery.copy_base(store.base(backup), cluster)
            verify(cluster, programs, progress)
            trouble = recovery.add_log(store, backup, cluster)
            with recovery.closed_folder(identity) as sockets:
                recovery.prepare(cluster, sockets, until, identity)
                with recovery.replayed(cluster, sockets, backup, paths, identity, progress) as connection, connection:
                    progress("checking what is in it")
                    content = examine(connection, head_file)
                    state = new_state()
                    _own(connection, backup, state)
            _finish(folder, cluster, state)
    if backup.database != DATABASE:
        content.advice.append(f"the database is called {backup.database}: put that name into ANXIN_DATABASE_URL")
    return Restored(backup, folder, content, time.monotonic() - began, trouble)


def choose(source: Path, until: datetime | None) -> tuple[BackupStore, Backup]:
    """The newest backup of a folder of backups, or the one that `source` itself is; finished before `until`."""
    single = (source / "backup.json").exists()
    store = BackupStore(source.absolute().parent if single else source)
    present = [each for each in store.backups() if not single or each.name == source.name]
    if not present:
        raise RestoreFailed(f"{source} holds no backup; give the folder that `anxin backup --to` wrote")
    fit = [each for each in present if until is None or each.finished <= until]
    if not fit:
        raise RestoreFailed(
            f"no backup in {source} was finished before that time; the oldest is {present[0].finished_at}"
        )
    return store, fit[-1]


def _require_new(folder: Path) -> None:
    """Never over a database: what is there may be all that is left of somebody's night."""
    left_by_us = {"postgresql.restoring", "lock", "log"}
    if folder.exists() and (not folder.is_dir() or any(entry.name not in left_by_us for entry in folder.iterdir())):
        raise RestoreFailed(f"{folder} is not empty; restore into a new folder and keep the old one as it is")


def _require_extension(backup: Backup, paths: StackPaths) -> None:
    library = paths.pg_bin.parent / f"lib/timescaledb-{backup.timescaledb_version}.so"
    if backup.timescaledb_version and not library.exists():
        raise RestoreFailed(
            f"the backup needs TimescaleDB {backup.timescaledb_version}, which is not in {library.parent}; restore it "
            "where that version runs (docs/runbook.md, Backup and restore)"
        )


def _own(connection: psycopg.Connection[Any], backup: Backup, state: StackState) -> None:
    """New passwords: those of the lost server may be known to whoever took it."""
    row = connection.execute(
        load_queries("stack", "queries_restore.sql")["role_exists"], {"role": SUPERUSER}
    ).fetchone()
    words = (
        "ALTER ROLE {} SUPERUSER LOGIN PASSWORD {}" if row and row[0] else "CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}"
    )
    connection.execute(sql.SQL(words).format(sql.Identifier(SUPERUSER), sql.Literal(state.pg_password)))
    connection.execute("CHECKPOINT")


def _finish(folder: Path, cluster: Path, state: StackState) -> None:
    """The last step makes it a stack: until then `anxin stack start` refuses the folder."""
    ports = {"pg_port": choose_port(0, 0, "PostgreSQL", ""), "mqtt_port": choose_port(0, 0, "Mosquitto", "")}
    cluster.rename(cluster_folder(folder))
    save_state(folder, StackState(**ports, pg_password=state.pg_password, mqtt_password=state.mqtt_password))


def document(restored: Restored) -> dict[str, Any]:
    """For `--json`: how long it took, how far it reaches, what is wrong."""
    content = restored.content
    return {
        "backup": restored.backup.name,
        "data_dir": str(restored.data_dir),
        "seconds": round(restored.seconds, 2),
        "newest_receipt_at": content.newest_receipt_at and content.newest_receipt_at.isoformat(),
        "newest_alert_event_at": content.newest_alert_event_at and content.newest_alert_event_at.isoformat(),
        "schema_version": content.schema_version,
        "rows": content.rows,
        "problems": content.problems,
        "log_trouble": restored.log_trouble,
        "advice": content.advice,
    }


def _tell(restored: Restored, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(document(restored)))
        return
    content = restored.content
    print(
        f"restored {restored.backup.name} in {restored.seconds:.1f} s"
        + (", and removed it again" if options.check else "")
    )
    print(f"  newest receipt      {content.newest_receipt_at or 'none'}: what devices were promised later is not in it")
    print(f"  newest alert event  {content.newest_alert_event_at or 'none'}")
    print("  rows                " + ", ".join(f"{name} {count}" for name, count in content.rows.items()))
    for sentence in [*content.problems, *restored.log_trouble]:
        print(f"  PROBLEM: {sentence}")
    for sentence in content.advice:
        print(f"  note: {sentence}")
    if not options.check:
        print(f"next: anxin stack start --data-dir {restored.data_dir}")
        print(f'      eval "$(anxin stack env --data-dir {restored.data_dir})", then start the parts (docs/runbook.md)')


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no time; write it as 2026-11-27T03:00:00+08:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin restore",
        description="Restore a backup into a new data folder, replay its log, check it, and say how far it reaches.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--from", dest="backup_folder", type=Path, required=True, metavar="DIR", help="what `anxin backup --to` wrote")
    add(
        "--data-dir", type=Path, metavar="NEW", help="a new or empty data folder; an existing database is never touched"
    )
    add("--until", type=_moment, metavar="TIME", help="replay to this time only (ISO 8601; without offset: UTC)")
    add("--check", action="store_true", help="restore into a folder of its own, check, and remove it again")
    add("--head-file", type=Path, metavar="F", help="the access log's witness, to compare")
    add("--json", action="store_true", help="one JSON object instead of sentences")
    return parser


if __name__ == "__main__":
    sys.exit(main())
