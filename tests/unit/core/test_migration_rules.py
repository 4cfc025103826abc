"""Migrations run while people are watched over: what would stop a writer or lose its data is refused."""

import pytest

from core.store.migrate import Migration, migrations
from core.store.migration_rules import violations


def about(sql: str) -> list[str]:
    return violations(Migration(99, "0099_trial.sql", sql))


def test_no_migration_of_this_program_stops_or_loses_anything():
    assert [sentence for migration in migrations() for sentence in violations(migration)] == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE alert DROP COLUMN note;\n",
        "ALTER TABLE alert RENAME COLUMN note TO remark;\n",
        "ALTER TABLE alert ALTER COLUMN presses TYPE bigint;\n",
        "ALTER TABLE alert ALTER COLUMN note SET NOT NULL;\n",
        "ALTER TABLE alert ADD COLUMN floor integer NOT NULL;\n",
        "ALTER TABLE alert ADD COLUMN mark uuid DEFAULT gen_random_uuid();\n",
        "ALTER TABLE alert ADD CONSTRAINT sane CHECK (presses > 0);\n",
        "CREATE INDEX alert_note ON alert (note);\n",
        "CREATE INDEX CONCURRENTLY alert_note ON alert (note);\n",
        "DROP TABLE seat;\n",
        "-- no-transaction\nVACUUM FULL alert;\n",
    ],
)
def test_a_statement_that_stops_writers_or_loses_data_is_named(sql: str):
    (sentence,) = about(sql)
    assert sentence.startswith("0099_trial.sql: ")


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE alert ADD COLUMN floor integer;\n",
        "ALTER TABLE alert ADD COLUMN floor integer NOT NULL DEFAULT 0;\n",
        "ALTER TABLE alert ADD CONSTRAINT sane CHECK (presses > 0) NOT VALID;\n",
        "CREATE TABLE visit (id uuid PRIMARY KEY, at timestamptz NOT NULL);\nCREATE INDEX visit_at ON visit (at);\n",
        "-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS a;\nCREATE INDEX CONCURRENTLY a ON alert (note);\n",
        "-- no-transaction\nCREATE INDEX a ON reading (at) WITH (timescaledb.transaction_per_chunk);\n",
    ],
)
def test_what_runs_beside_the_running_version_is_allowed(sql: str):
    assert about(sql) == []
