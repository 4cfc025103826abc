"""A transaction that waits once for many statements: what is committed, what is raised, who is thrown out."""

import asyncio
import logging
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import (
    CheckViolation,
    DivisionByZero,
    InFailedSqlTransaction,
    RaiseException,
)

from core.store.pipelined import pipelined_transaction
from core.store.pool import Connection
from ingest.database import LaneDatabase
from ingest.poison import Fault, fault_of
from tests.fixtures.flights import CountingProxy

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.fixture
async def conn(database: str) -> AsyncIterator[Connection]:
    made = await AsyncConnection.connect(database, autocommit=True)
    await made.execute("CREATE TABLE said (word text UNIQUE CHECK (word <> 'poison'))")
    yield made
    await made.close()


async def words(conn: Connection) -> list[str]:
    return [word for (word,) in await (await conn.execute("SELECT word FROM said ORDER BY word")).fetchall()]


async def say(conn: Connection, word: str) -> None:
    await conn.execute("INSERT INTO said VALUES (%s)", (word,))


async def test_it_waits_once_an_answer_that_is_asked_for_and_once_for_the_commit(conn, database):
    async with CountingProxy(database) as proxy:
        own = await AsyncConnection.connect(proxy.url, autocommit=True)
        for _ in range(8):  # from the sixth time on statements are prepared
            await conn.execute("TRUNCATE said")
            before = proxy.flights
            async with pipelined_transaction(own) as open_:
                for word in "abc":
                    await say(own, word)
                counted = await own.execute("SELECT count(*) FROM said")
                await open_.answers()
                assert await counted.fetchall() == [(3,)]
                await say(own, "d")
                last = await own.execute("SELECT count(*) FROM said")
            assert proxy.flights - before == 2
            assert await last.fetchall() == [(4,)]
            assert await words(conn) == list("abcd")
        await own.close()


@pytest.mark.parametrize("waits", [True, False])
async def test_the_first_error_is_raised_whatever_was_sent_behind_it_and_nothing_is_committed(conn, waits, caplog):
    """Again and again: when the server's answer comes is chance, the error must not be."""
    with caplog.at_level(logging.WARNING, "psycopg"):
        for _ in range(50):
            with pytest.raises(DivisionByZero):
                async with pipelined_transaction(conn) as open_:
                    await say(conn, "before")
                    await conn.execute("SELECT 1 / 0")
                    await say(conn, "poison")
                    if waits:
                        await open_.answers()
            assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert await words(conn) == []
    # psycopg would say what became of the statements behind it, and PostgreSQL's errors quote rows.
    assert caplog.records == []


async def test_an_error_of_our_own_rolls_back_and_quotes_no_row_of_what_failed_meanwhile(conn, caplog):
    async def interrupted() -> None:
        async with pipelined_transaction(conn):
            await say(conn, "poison")
            raise KeyError

    with caplog.at_level(logging.WARNING, "psycopg"), pytest.raises((KeyError, CheckViolation)):
        await interrupted()
    assert caplog.records == []
    async with pipelined_transaction(conn):
        await say(conn, "after")
    assert await words(conn) == ["after"]


async def test_a_failed_transaction_whose_error_was_swallowed_does_not_look_committed(conn):
    with pytest.raises(InFailedSqlTransaction) as caught:
        async with pipelined_transaction(conn) as open_:
            await say(conn, "before")
            await conn.execute("SELECT 1 / 0")
            with pytest.raises(DivisionByZero):
                await open_.answers()
    assert fault_of(caught.value) is Fault.SERVER
    assert await words(conn) == []


async def test_a_commit_that_the_server_refuses_is_an_error_and_no_commit(conn):
    await conn.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$")
    await conn.execute(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON said DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    with pytest.raises(RaiseException):
        async with pipelined_transaction(conn):
            await say(conn, "late")
    assert await words(conn) == []


async def test_a_statement_sees_what_was_committed_while_the_one_before_it_waited(conn, database):
    """READ COMMITTED within a pipeline: each statement has a snapshot of its own."""
    other = await AsyncConnection.connect(database, autocommit=True)

    async def wait_and_count() -> int:
        async with pipelined_transaction(other) as open_:
            await other.execute("SELECT pg_advisory_xact_lock(1)")
            counted = await other.execute("SELECT count(*) FROM said")
            await open_.answers()
            ((found,),) = await counted.fetchall()
            return int(found)

    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(1)")
        counting = asyncio.create_task(wait_and_count())
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while (await (await conn.execute(waiting)).fetchall()) == [(0,)]:
            await asyncio.sleep(0.01)
        await say(conn, "meanwhile")
    assert await counting == 1
    await other.close()


async def test_who_stops_after_an_answer_is_idle_in_transaction_for_the_server_and_thrown_out(conn, database):
    stopped = await AsyncConnection.connect(
        database, autocommit=True, options="-c idle_in_transaction_session_timeout=200"
    )
    with pytest.raises(psycopg.Error) as caught:
        async with pipelined_transaction(stopped) as open_:
            await say(stopped, "mine")
            await open_.answers()
            await say(conn, "mine")  # waits for the one that stopped
            await stopped.execute("SELECT 1")
            await open_.answers()
    assert fault_of(caught.value) is Fault.SERVER
    assert await words(conn) == ["mine"]
    await stopped.close()


async def test_who_stops_between_sending_and_asking_is_thrown_out_after_the_limit_of_its_transaction(conn, database):
    """Not idle in transaction for the server, which waits for the rest: its locks would be held for ever."""
    stopped = await AsyncConnection.connect(
        database, autocommit=True, options="-c idle_in_transaction_session_timeout=100 -c transaction_timeout=400"
    )
    with pytest.raises(psycopg.Error) as caught:
        async with pipelined_transaction(stopped) as open_:
            await stopped.execute("SELECT pg_advisory_xact_lock(7)")
            async with asyncio.timeout(10), conn.transaction():
                taken = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                while (await (await conn.execute(taken)).fetchall()) == [(0,)]:
                    await asyncio.sleep(0.01)
                await conn.execute("SELECT pg_advisory_xact_lock(7)")  # waits for the one that stopped
            await open_.answers()
    assert fault_of(caught.value) is Fault.SERVER
    await stopped.close()


async def test_an_alarm_lanes_connection_is_held_to_its_limits_by_the_server_too(database):
    lane = LaneDatabase(database, name="test", emergency=True)
    async with lane.lend(within_s=3) as connection:
        shown = [
            (await (await connection.execute(f"SHOW {name}")).fetchall())[0][0]
            for name in ("transaction_timeout", "idle_in_transaction_session_timeout", "default_transaction_isolation")
        ]
    await lane.close()
    assert shown == ["4s", "1s", "read committed"]
