"""What a migration may not do on a system at work. Reads SQL text; the reasons are in docs/migrations.md."""

import re
from collections.abc import Iterator

from core.store.migrate import Migration

# Before these the tables were empty everywhere: nothing was deployed.
FREE_UP_TO = 1

_FORBIDDEN: tuple[tuple[str, str], ...] = (
    (r"DROP TABLE|DROP COLUMN|TRUNCATE|DROP SCHEMA", "loses data that the running version still writes"),
    (r"RENAME", "the running version knows the old name only; add the new one beside it"),
    (r"ALTER COLUMN \w+ (SET DATA )?TYPE", "rewrites the table under a lock that stops every writer"),
    (r"ALTER COLUMN \w+ SET NOT NULL", "the running version may write NULL; first a default, in a later release this"),
    (r"\b(VACUUM FULL|CLUSTER|LOCK TABLE|REINDEX(?! .*CONCURRENTLY))", "stops every writer"),
    (r"ADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY)(?!.*NOT VALID)", "reads the table under a lock: NOT VALID first"),
)


def violations(migration: Migration) -> list[str]:
    """One sentence for each statement that must not run while the platform works; [] when all may."""
    if migration.version <= FREE_UP_TO:
        return []
    statements = list(_statements(migration.sql))
    made = {name.lower() for text in statements for name in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", text)}
    found = []
    for text in statements:
        for pattern, why in _FORBIDDEN:
            if re.search(pattern, text, re.IGNORECASE):
                found.append(f"{migration.name}: {text[:60]}…: {why}")
        found.extend(f"{migration.name}: {text[:60]}…: {why}" for why in _about_columns(text))
        found.extend(f"{migration.name}: {text[:60]}…: {why}" for why in _about_indexes(text, made, migration))
    return found


def _about_columns(text: str) -> Iterator[str]:
    """A column that the running version does not know must fill itself."""
    for column in re.findall(r"ADD COLUMN ([^,;]+)", text, re.IGNORECASE):
        if "NOT NULL" in column.upper() and "DEFAULT" not in column.upper():
            yield "the running version cannot fill it: let it be NULL or give a constant default"
        if re.search(r"DEFAULT \(?(random|clock_timestamp|gen_random_uuid)", column, re.IGNORECASE):
            yield "a default that differs for each row rewrites the table"


def _about_indexes(text: str, made: set[str], migration: Migration) -> Iterator[str]:
    """An index on a table that others write is built beside them; on a table made here it does not matter."""
    built = re.match(r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?(IF NOT EXISTS )?\w+ ON (\w+)", text, re.IGNORECASE)
    if built is None or built[4].lower() in made:
        return
    gentle = built[2] or "transaction_per_chunk" in text
    if not gentle:
        yield "stops the table's writers while it is built: CONCURRENTLY, of a hypertable transaction_per_chunk"
    elif migration.in_transaction:
        yield "runs only in a file that begins with -- no-transaction"


def _statements(sql: str) -> Iterator[str]:
    bare = re.sub(r"--[^\n]*", "", sql)
    for statement in bare.split(";\n"):
        text = " ".join(statement.split())
        if text:
            yield text
