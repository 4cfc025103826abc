"""Migrations on the real database."""

import asyncio
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest

from core.errors import SchemaMismatch, Unavailable
from core.store.migrate import Migration, check_schema, migrate, migrations
from core.store.pool import is_retryable, make_pool

pytestmark = pytest.mark.integration


@pytest.fixture
def empty_database(stack_session) -> Iterator[str]:
    name = f"anxin_empty_{secrets.token_hex(4)}"
    with psycopg.connect(stack_session.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(stack_session.database_url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_migrating_twice_does_nothing_the_second_time(empty_database: str):
    assert migrate(empty_database) == len(migrations())
    assert migrate(empty_database) == 0


async def test_a_database_of_a_newer_schema_is_refused_in_one_sentence(database: str):
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO schema_migration VALUES (9999, '9999_future.sql', 'x', now())")
    with pytest.raises(SchemaMismatch, match="upgraded by a newer Anxin"):
        migrate(database)
    async with await psycopg.AsyncConnection.connect(database) as connection:
        with pytest.raises(SchemaMismatch, match="schema version 9999"):
            await check_schema(connection)


async def test_an_empty_database_is_refused_with_what_to_do(empty_database: str):
    async with await psycopg.AsyncConnection.connect(empty_database) as connection:
        with pytest.raises(SchemaMismatch, match="Run: anxin migrate"):
            await check_schema(connection)


def test_an_applied_migration_that_was_edited_is_refused(database: str):
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE schema_migration SET checksum = 'other' WHERE version = 1")
    with pytest.raises(SchemaMismatch, match="applied in another form"):
        migrate(database)


def test_a_database_that_does_not_answer_is_a_sentence():
    with pytest.raises(Unavailable, match="does not answer"):
        migrate("postgresql://nobody@127.0.0.1:1/none")


def test_alert_events_can_only_be_appended(database: str):
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        connection.execute("DELETE FROM alert_event")


COLUMN = Migration(901, "0901_trial.sql", "ALTER TABLE alert ADD COLUMN trial text;\n")


@pytest.fixture
def one_more(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A migrated database, and a program that knows one migration more."""
    known = migrations()
    further = replace(COLUMN, version=len(known) + 1)
    monkeypatch.setattr("core.store.migrate.migrations", lambda: [*known, further])
    return database


def test_a_migration_that_waits_for_a_lock_lets_writers_pass_gives_up_and_can_be_run_again(one_more: str):
    with psycopg.connect(one_more) as reader, psycopg.connect(one_more, autocommit=True) as writer:
        reader.execute("SELECT count(*) FROM alert")  # an open transaction: ALTER TABLE must wait for it
        said: list[str] = []
        with ThreadPoolExecutor() as pool:
            running = pool.submit(migrate, one_more, give_up_after_s=3, progress=said.append)
            while not running.done():
                # Behind a queued ALTER this would wait until the reader ends, that is for ever.
                writer.execute("SET statement_timeout = '2s'")
                writer.execute("UPDATE alert SET presses = presses")
            with pytest.raises(Unavailable, match=r"needs a table that others hold \(the oldest transaction is"):
                running.result()
        assert len([line for line in said if "trying again" in line]) >= 2
        assert "Nothing of this step was applied" in str(running.exception())
        reader.rollback()
    assert migrate(one_more) == 1


def test_a_second_migration_waits_for_the_first_without_holding_a_snapshot(one_more: str):
    with psycopg.connect(one_more, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", (0x616E78696E,))
        with pytest.raises(Unavailable, match="another migration runs"):
            migrate(one_more, give_up_after_s=0.6)
    assert migrate(one_more) == 1


async def test_statements_that_read_whole_rows_go_on_when_a_migration_adds_a_column(one_more: str):
    async with make_pool(one_more, name="test", max_size=1) as pool:

        async def read() -> None:
            async with pool.connection() as connection:
                await connection.execute("SELECT a.* FROM alert a WHERE id = ANY(%s::uuid[])", ([],))

        for _ in range(10):  # psycopg prepares a statement after five times
            await read()
        assert await asyncio.to_thread(migrate, one_more) == 1
        await read()


async def test_a_plan_made_stale_by_a_migration_is_a_reason_to_try_again(one_more: str):
    async with await psycopg.AsyncConnection.connect(one_more) as connection:
        for _ in range(10):
            await connection.execute("SELECT * FROM alert")
            await connection.commit()
        await asyncio.to_thread(migrate, one_more)
        with pytest.raises(psycopg.errors.FeatureNotSupported) as failed:
            await connection.execute("SELECT * FROM alert")
        assert is_retryable(failed.value)
        await connection.rollback()
        await connection.execute("SELECT * FROM alert")
