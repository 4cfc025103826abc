"""Forward-only, numbered migrations under an advisory lock, each in one transaction.

A file `NNNN_words.sql` whose first line is `-- no-transaction` runs outside one, statement by statement, for the
few TimescaleDB calls that refuse to run inside.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

from core.errors import SchemaMismatch, Unavailable

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x616E78696E  # "anxin"
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


def migrate(database_url: str) -> int:
    """Bring the database up to this program's version; returns how many migrations ran (0: nothing to do).

    Raises Unavailable when the server does not answer, SchemaMismatch when the database is newer than this
    program or an applied migration differs from ours.
    """
    try:
        connection = psycopg.connect(database_url, autocommit=True, connect_timeout=5, options="-c timezone=UTC")
    except psycopg.OperationalError as error:
        raise Unavailable(
            "The database does not answer. Start it (anxin stack start) or check ANXIN_DATABASE_URL."
        ) from error
    with connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(_LEDGER)
        applied = _applied(connection)
        known = migrations()
        _refuse_strangers(applied, known)
        pending = [migration for migration in known if migration.version not in applied]
        for migration in pending:
            _apply(connection, migration)
        return len(pending)


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


def _apply(connection: Connection[tuple[Any, ...]], migration: Migration) -> None:
    record = (
        "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (%s, %s, %s, clock_timestamp())",
        (migration.version, migration.name, migration.checksum),
    )
    if not migration.in_transaction:
        for statement in migration.sql.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        connection.execute(*record)
        return
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '30s'")
        connection.execute(migration.sql.encode())
        connection.execute(*record)


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
