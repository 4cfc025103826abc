"""Forward-only, numbered migrations under an advisory lock, each in one transaction.

A file `NNNN_words.sql` whose first line is `-- no-transaction` runs outside one, statement by statement, for what
refuses to run inside. Which statements are fit for a system at work: docs/migrations.md, and a test that reads them.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, Connection

from core.errors import SchemaMismatch, Unavailable

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x616E78696E  # "anxin"
# Whoever waits for a table's lock makes everybody behind it wait, an alarm too: short tries, with air between them.
_LOCK_TIMEOUT_MS = 300
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_GIVE_UP_AFTER_S = 120.0
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        return not self.sql.startswith("-- no-transaction")


def migrations() -> list[Migration]:
    """Every migration this program knows, in order. Raises ValueError for a wrong name or a gap in the numbers."""
    found = []
    for entry in files("core.store").joinpath("migrations").iterdir():
        if not entry.name.endswith(".sql"):
            continue
        if not (match := _NAME.fullmatch(entry.name)):
            raise ValueError(f"{entry.name}: a migration is named NNNN_words.sql")
        found.append(Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations are numbered from 1 without a gap")
    return found


def silent(message: str) -> None:
    """A progress receiver that shows nothing."""


def migrate(
    database_url: str, *, give_up_after_s: float = _GIVE_UP_AFTER_S, progress: Callable[[str], None] = silent
) -> int:
    """Bring the database up to this program's version; returns how many migrations ran (0: nothing to do).

    Raises Unavailable when the server does not answer or a table stayed locked by others for `give_up_after_s`
    (nothing of that migration is left, run it again), SchemaMismatch when the database is newer than this program or
    an applied migration differs from ours.
    """
    try:
        connection = psycopg.connect(database_url, autocommit=True, connect_timeout=5, options="-c timezone=UTC")
    except psycopg.OperationalError as error:
        raise Unavailable(
            "The database does not answer. Start it (anxin stack start) or check ANXIN_DATABASE_URL."
        ) from error
    with connection:
        patience = _Patience(give_up_after_s, progress)
        # Asked for, not waited for: a waiting statement keeps a snapshot, for which CREATE INDEX CONCURRENTLY waits.
        while not _asked(connection, "SELECT pg_try_advisory_lock(%s)", _LOCK):
            patience.wait("another migration runs", connection)
        connection.execute(_LEDGER)
        applied = _applied(connection)
        known = migrations()
        _refuse_strangers(applied, known)
        pending = [migration for migration in known if migration.version not in applied]
        for migration in pending:
            progress(f"applying {migration.name}")
            _apply(connection, migration, _Patience(give_up_after_s, progress))
        return len(pending)


class _Patience:
    """Growing pauses between the tries of one step, up to a time; then Unavailable with what stood in the way."""

    def __init__(self, seconds: float, progress: Callable[[str], None]) -> None:
        self.until = time.monotonic() + seconds
        self.pause_s = _FIRST_PAUSE_S
        self.progress = progress

    def wait(self, why: str, connection: Connection[tuple[Any, ...]]) -> None:
        if time.monotonic() + self.pause_s > self.until:
            raise Unavailable(
                f"The migration gave up: {why}{_oldest_transaction(connection)}. Nothing of this step was applied; "
                "run anxin migrate again, at a quieter hour or after ending that session."
            )
        self.progress(f"{why}; trying again in {self.pause_s:g} s")
        time.sleep(self.pause_s)
        self.pause_s = min(self.pause_s * 2, _LONGEST_PAUSE_S)


def _asked(connection: Connection[tuple[Any, ...]], question: LiteralString, *values: Any) -> bool:
    row = connection.execute(question, values).fetchone()
    return bool(row and row[0])


def _oldest_transaction(connection: Connection[tuple[Any, ...]]) -> str:
    """Who most likely holds the lock, for the sentence."""
    row = connection.execute(
        "SELECT pid, application_name, extract(epoch FROM clock_timestamp() - xact_start)::int FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL "
        "ORDER BY xact_start LIMIT 1"
    ).fetchone()
    return "" if row is None else f" (the oldest transaction is {row[2]} s old, process {row[0]}, {row[1]!r})"


def _applied(connection: Connection[tuple[Any, ...]]) -> dict[int, tuple[str, str]]:
    rows = connection.execute("SELECT version, name, checksum FROM schema_migration").fetchall()
    return {version: (name, checksum) for version, name, checksum in rows}


def _refuse_strangers(applied: dict[int, tuple[str, str]], known: list[Migration]) -> None:
    newest = max(applied, default=0)
    if newest > len(known):
        raise SchemaMismatch(_newer(newest, len(known)))
    for migration in known:
        name, checksum = applied.get(migration.version, (migration.name, migration.checksum))
        if checksum != migration.checksum:
            raise SchemaMismatch(
                f"Migration {name} was applied in another form than this program holds; "
                "restore the file or use a fresh database."
            )


def _apply(connection: Connection[tuple[Any, ...]], migration: Migration, patience: _Patience) -> None:
    while True:
        try:
            if migration.in_transaction:
                with connection.transaction():
                    connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_MS}ms'".encode())
                    connection.execute(migration.sql.encode())
                    _enter(connection, migration)
            else:
                _apply_outside(connection, migration)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            patience.wait(f"{migration.name} needs a table that others hold", connection)
        else:
            return


def _apply_outside(connection: Connection[tuple[Any, ...]], migration: Migration) -> None:
    """Statement by statement; each must be repeatable, because a crash between two of them runs all again."""
    for statement in migration.sql.split(";\n"):
        if statement.strip():
            # What is built CONCURRENTLY waits for old transactions without making anybody wait behind it.
            limit = 0 if "CONCURRENTLY" in statement else _LOCK_TIMEOUT_MS
            connection.execute(f"SET lock_timeout = {limit}".encode())
            connection.execute(statement.encode())
    _enter(connection, migration)


def _enter(connection: Connection[tuple[Any, ...]], migration: Migration) -> None:
    connection.execute(
        "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (%s, %s, %s, clock_timestamp())",
        (migration.version, migration.name, migration.checksum),
    )


def _newer(found: int, ours: int) -> str:
    return (
        f"The database has schema version {found}, this program knows {ours}: "
        "it was upgraded by a newer Anxin. Start that version, or restore a backup taken before the upgrade."
    )


async def check_schema(connection: AsyncConnection[Any]) -> None:
    """Raise SchemaMismatch unless the database is exactly of this program's version. Services call it at start."""
    ours = len(migrations())
    try:
        cursor = await connection.execute("SELECT max(version) FROM schema_migration")
    except psycopg.errors.UndefinedTable:
        raise SchemaMismatch("The database has no Anxin schema yet. Run: anxin migrate") from None
    row = await cursor.fetchone()
    found = (row[0] if row else None) or 0
    if found > ours:
        raise SchemaMismatch(_newer(found, ours))
    if found < ours:
        raise SchemaMismatch(f"The database has schema version {found}, this program needs {ours}. Run: anxin migrate")
