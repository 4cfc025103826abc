"""One base backup: taken, verified, named, old ones removed - in this order."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from core.store.queries import load_queries
from stack.backup_store import Backup, BackupStore
from stack.cache import locked, silent
from stack.errors import BackupFailed, DiskFull
from stack.fetch import Progress
from stack.pg_programs import PgPrograms, connection_of, find_programs, require_done, running

# Not in any backup, on purpose: who finds the backup must not find the key beside it.
KEEP_APART = (
    ("the master key", "ANXIN_MASTER_KEY_FILE", "without it no name, phone or address can ever be read again"),
    ("the token secret", "ANXIN_TOKEN_SECRET_FILE", "without it everybody signs in again"),
    ("the witness of the access log", "ANXIN_ACCESS_SEAL_HEAD_FILE", "it shows that a restored log is the whole log"),
    ("the broker's certificates and access list", "acl, ca, server key", "devices trust these"),
    ("the servers' passwords", "stack.json or docker/secrets", "a restore on this machine makes new ones"),
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """What a backup has to know of the server it is of."""

    version: str
    major: int
    system_identifier: str
    timeline: int
    wal_segment_bytes: int
    may_replicate: bool
    database_bytes: int
    timescaledb_version: str
    database: str
    role: str


def ask_server(url: str) -> Server:
    """Raises BackupFailed when it does not answer or the role may not replicate."""
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            row = connection.execute(load_queries("stack", "queries_backup.sql")["server"]).fetchone()
    except psycopg.OperationalError as error:
        raise BackupFailed(
            f"the database does not answer ({str(error).strip().splitlines()[0]}); start it or check --database-url"
        ) from error
    assert row is not None
    server = Server(*row)
    if not server.may_replicate:
        raise BackupFailed(f"the role {server.role} may not replicate; ALTER ROLE {server.role} REPLICATION")
    return server


def take_backup(
    url: str, store: BackupStore, *, keep: int, max_rate_mb_s: int = 0, progress: Progress = silent
) -> Backup:
    """A verified base backup in `store`; afterwards all but the newest `keep` are removed. Raises StackError."""
    server = ask_server(url)
    programs = find_programs(server.major)
    store.prepare()
    with locked(store.folder / "lock", "another backup into this folder runs, waiting for it", progress):
        store.require_same_database(server.system_identifier, server.timeline)
        for name in store.remove_interrupted():
            progress(f"removed {name}: it was interrupted")
        if shutil.disk_usage(store.folder).free < server.database_bytes:
            raise DiskFull(store.folder)
        partial = store.folder / f"{store.new_name(datetime.now(UTC))}.partial"
        started = datetime.now(UTC)
        _copy(url, partial, programs, max_rate_mb_s, progress)
        verify(partial / "base", programs, progress)
        backup = _describe(url, server, partial, started)
        store.finish(partial, backup)
        for name in store.prune(keep):
            progress(f"removed the backup {name}")
    return backup


def _copy(url: str, partial: Path, programs: PgPrograms, max_rate_mb_s: int, progress: Progress) -> None:
    partial.mkdir(mode=0o700)
    address, password = connection_of(url, "anxin backup")
    command = [programs.path("pg_basebackup"), "--dbname", address, "--pgdata", str(partial / "base"), "--progress"]
    command += ["--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256", "--no-password"]
    if max_rate_mb_s:
        command.append(f"--max-rate={max_rate_mb_s}M")
    progress("copying the database")
    said = ""
    with running(command, {**programs.environment, **password}) as child:
        for line in child.stderr or ():
            if step := re.search(r"(\d+)/(\d+) kB \((\d+)%\)", line):
                progress(f"copied {int(step[1]) // 1024} of {int(step[2]) // 1024} MB")
            else:
                said += line
        require_done("pg_basebackup", child.wait(), said, partial)


def verify(base: Path, programs: PgPrograms, progress: Progress) -> None:
    """Every file against the checksum the server gave, the log it needs readable. Raises BackupFailed."""
    progress("verifying every file's checksum")
    with running([programs.path("pg_verifybackup"), "--quiet", str(base)], programs.environment) as child:
        said = child.stderr.read() if child.stderr else ""
        require_done("pg_verifybackup", child.wait(), said, base)


def _describe(url: str, server: Server, partial: Path, started: datetime) -> Backup:
    base = partial / "base"
    label = (base / "backup_label").read_text(encoding="utf-8")
    start = re.search(r"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", label)
    if start is None:
        raise BackupFailed(f"{base / 'backup_label'} does not say where the log begins; take another backup")
    with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
        row = connection.execute(load_queries("stack", "queries_backup.sql")["content"]).fetchone()
    schema_version, newest_alert_event = row or (0, 0)
    return Backup(
        name=partial.name.removesuffix(".partial"),
        started_at=started.isoformat(),
        finished_at=datetime.now(UTC).isoformat(),
        system_identifier=server.system_identifier,
        timeline=int(start[1][:8], 16),
        start_segment=start[1],
        wal_segment_bytes=server.wal_segment_bytes,
        server_version=server.version,
        timescaledb_version=server.timescaledb_version,
        schema_version=schema_version,
        database=server.database,
        role=server.role,
        newest_alert_event=newest_alert_event,
        bytes=sum(file.stat().st_size for file in base.rglob("*") if file.is_file()),
        backup_manifest_sha256=hashlib.sha256((base / "backup_manifest").read_bytes()).hexdigest(),
        keep_apart=[{"what": what, "where": where, "why": why} for what, where, why in KEEP_APART],
    )
