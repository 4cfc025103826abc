"""A PostgreSQL that replays a backup's log, reachable through a closed folder only, and ends as an ordinary cluster."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg

from stack.backup_store import Backup, BackupStore, segments_missing
from stack.database import server_environment
from stack.errors import DiskFull, RestoreFailed
from stack.fetch import Progress
from stack.identity import Identity
from stack.paths import StackPaths
from stack.postgres_conf import DatabaseSettings, configuration
from stack.processes import end, is_running, last_words, spawn_detached
from stack.state import HOST

_PORT = 5432  # of a socket in a folder of its own: no network
# What an operator set by ALTER SYSTEM for the lost server and its companions would make the new one wait or copy.
_NOT_TAKEN_OVER = ("synchronous_standby_names", "primary_", "restore_command", "recovery_", "archive_",
                   "listen_", "port", "unix_socket", "data_directory", "hba_file", "ident_file")  # fmt: skip


def copy_base(source: Path, cluster: Path) -> None:
    """The backup's files into a new cluster folder; the backup is only read."""
    cluster.mkdir(mode=0o700)
    # cp knows reflinks: on disks that share blocks this takes no time and no room.
    done = subprocess.run(
        ["cp", "-R", "--reflink=auto", f"{source}/.", str(cluster)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        if "No space left" in done.stderr:
            raise DiskFull(cluster)
        raise RestoreFailed(f"the backup could not be copied ({(done.stderr.strip().splitlines() or ['?'])[-1]})")


def add_log(store: BackupStore, backup: Backup, cluster: Path) -> list[str]:
    """Put the streamed log where the server reads it first; returns what is wrong with it, in sentences."""
    own = {file.name: file for file in (cluster / "pg_wal").iterdir() if re.fullmatch(r"[0-9A-F]{24}", file.name)}
    streamed = {name: file for name, file in store.segments().items() if name[8:] >= backup.start_segment[8:]}
    for name, file in streamed.items():
        # Both may hold the last, half-filled one: the fuller is the newer.
        if name not in own or filled_bytes(file) >= filled_bytes(own[name]):
            shutil.copyfile(file, cluster / "pg_wal" / name)
    for history in store.timeline_histories():
        shutil.copyfile(history, cluster / "pg_wal" / history.name)
    holes = segments_missing(sorted({*own, *streamed}, key=lambda name: name[8:]), backup.wal_segment_bytes)
    return [f"the streamed log has a hole after {holes[0]}: what came later is not restored"] if holes else []


def filled_bytes(file: Path) -> int:
    """How much of a segment is written: a receiver fills the rest with zeros."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        for end_of_piece in range(size, 0, -65536):
            opened.seek(max(end_of_piece - 65536, 0))
            piece = opened.read(min(65536, end_of_piece)).rstrip(b"\0")
            if piece:
                return max(end_of_piece - 65536, 0) + len(piece)
    return 0


def prepare(cluster: Path, socket_folder: Path, until: datetime | None, identity: Identity) -> None:
    """Configuration of a server that replays and then becomes an ordinary one, for nobody but us."""
    text = (
        configuration(DatabaseSettings(HOST, _PORT))
        + f"""
listen_addresses = ''
unix_socket_directories = '{socket_folder}'
restore_command = 'false'
recovery_target_timeline = 'latest'
hot_standby = off
"""
    )
    if until is not None:
        text += f"recovery_target_time = '{until.isoformat()}'\nrecovery_target_action = 'promote'\n"
    (cluster / "postgresql.conf").write_text(text)
    (cluster / "pg_hba.conf").write_text("local all all trust\n")
    automatic = cluster / "postgresql.auto.conf"
    lines = automatic.read_text().splitlines() if automatic.exists() else []
    automatic.write_text("".join(f"{line}\n" for line in lines if not line.strip().startswith(_NOT_TAKEN_OVER)))
    for name in ("recovery.signal", "standby.signal", "postmaster.pid"):
        (cluster / name).unlink(missing_ok=True)
    (cluster / "recovery.signal").touch()
    for folder, folders, files in os.walk(cluster):
        for name in folders:
            identity.own(Path(folder, name), 0o700)
        for name in files:
            identity.own(Path(folder, name), 0o600)
    identity.own(cluster, 0o700)


@contextmanager
def closed_folder(identity: Identity) -> Iterator[Path]:
    """For the server's socket. In /tmp: a socket's path may have 107 bytes, and data folders can be deeper."""
    folder = Path(tempfile.mkdtemp(prefix="anxin-restore-", dir="/tmp"))
    identity.own(folder, 0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replayed(
    cluster: Path, socket_folder: Path, backup: Backup, paths: StackPaths, identity: Identity, progress: Progress
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The server after its replay, and a connection to the backup's database; stopped at the end."""
    log = cluster.parent / "log/restore.log"
    log.parent.mkdir(exist_ok=True)
    identity.own(log.parent, 0o700)
    log.unlink(missing_ok=True)
    command = [str(paths.pg_bin / "postgres"), "-D", str(cluster)]
    pid = spawn_detached(command, log=log, folder=cluster, identity=identity, environment=server_environment(paths))
    try:
        yield _wait_replayed(pid, cluster, socket_folder, backup, log, progress)
    finally:
        end(pid, str(cluster), signal.SIGINT, "PostgreSQL", 600)


def _wait_replayed(
    pid: int, cluster: Path, socket_folder: Path, backup: Backup, log: Path, progress: Progress
) -> psycopg.Connection[tuple[object, ...]]:
    began = time.monotonic()
    while is_running(pid, str(cluster)):
        try:
            connection = psycopg.connect(
                host=str(socket_folder), port=_PORT, user=backup.role, dbname=backup.database, autocommit=True,
                options="-c timezone=UTC",
            )  # fmt: skip
        except psycopg.OperationalError as error:
            if f'"{backup.role}"' in str(error) or f'"{backup.database}"' in str(error):
                raise RestoreFailed(f"the restored server does not let us in ({error})") from error
            progress(f"replaying the log for {time.monotonic() - began:.0f} s")
            time.sleep(0.1)
        else:
            return connection
    raise RestoreFailed(_reason(last_words(log, 6), log))


def _reason(said: str, log: Path) -> str:
    if "recovery ended before configured recovery target" in said:
        return "the log ends before that time; leave --until away to restore everything there is"
    if "before consistent recovery point" in said:
        return "no backup is old enough for that time"
    if "could not access file" in said:
        return f"the server here lacks an extension of the one that was backed up ({said}); its log is {log}"
    return f"the server did not come up from this backup ({said}); its log is {log}"
