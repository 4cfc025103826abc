"""Migrations on the real database."""

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from core.errors import SchemaMismatch, Unavailable
from core.store.migrate import check_schema, migrate, migrations

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
