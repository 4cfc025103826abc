"""Readers of the feed see every alert event once, in order, whatever happens beside them."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psycopg
import pytest

from alerts.feed import AlertFeed, FeedReset
from alerts.intake import Occurrence, raise_alerts
from alerts.store import FeedEvent, highest_seq
from core.store.pool import Pool, make_pool, transaction
from simulators.chaos.proxy import TcpProxy
from stack import servers
from stack.servers import RunningStack
from tests.fixtures.alert_town import AlertTown

pytestmark = pytest.mark.integration

NOON = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
WRITERS, READERS = 50, 10


@pytest.fixture
def pool(alert_pool: Pool) -> Pool:
    return alert_pool


@pytest.fixture
def pendant(alert_town: AlertTown) -> str:
    return alert_town.device(elder=alert_town.elder())


@asynccontextmanager
async def running(pool: Pool, poll_s: float = 1.0) -> AsyncIterator[AlertFeed]:
    feed, stop = AlertFeed(pool, poll_s), asyncio.Event()
    task = asyncio.create_task(feed.run(stop))
    try:
        yield feed
    finally:
        stop.set()
        await task


def press(device: str, at: datetime = NOON) -> Occurrence:
    return Occurrence(device, None, "sos", None, at, at, None, secrets.token_bytes(16))


async def ring(pool: Pool, device: str, times: int = 1) -> None:
    async with transaction(pool) as conn:
        await raise_alerts(conn, [press(device)] * times, now=NOON)


async def take(feed: AlertFeed, after: int | None, number: int) -> list[FeedEvent]:
    taken = []
    async with aclosing(feed.subscribe(after)) as events:
        async for event in events:
            taken.append(event)
            if len(taken) == number:
                return taken
    raise AssertionError("a feed never ends by itself")


class Undo(Exception):
    """A transaction that gives up after it wrote."""


def give_up_sometimes(dice: random.Random) -> None:
    if dice.random() < 0.2:
        raise Undo


async def write(pool: Pool, devices: list[str], count: int, seed: int) -> None:
    """At least `count` committed events in transactions of 1 to 5; every fifth transaction is rolled back."""
    dice, done = random.Random(seed), 0
    while done < count:
        chosen = dice.choices(devices, k=min(dice.randint(1, 5), count - done))
        try:
            async with transaction(pool) as conn:
                at = NOON + timedelta(seconds=done)
                await raise_alerts(conn, [press(device, at) for device in chosen], now=at)
                await asyncio.sleep(dice.random() / 1000)
                give_up_sometimes(dice)
        except Undo:
            continue
        done += len(chosen)


async def read_all(feeds: list[AlertFeed], last: int, seed: int) -> list[tuple[int, str, int]]:
    """(seq, alert id, version) of every event up to `last`, by a reader that reconnects at random."""
    dice = random.Random(seed)
    seen: list[tuple[int, str, int]] = []
    while len(seen) < last:
        patience = dice.randint(1, max(10, last // 20))
        async with aclosing(dice.choice(feeds).subscribe(seen[-1][0] if seen else 0)) as events:
            async for event in events:
                seen.append((event.seq, event.alert["id"], event.alert["version"]))
                assert event.alert["seq"] == event.seq
                patience -= 1
                if patience == 0 or len(seen) == last:
                    break
        await asyncio.sleep(dice.random() / 50)
    return seen


@pytest.mark.parametrize("total", [3000, pytest.param(20_000, marks=[pytest.mark.faults, pytest.mark.timeout(900)])])
async def test_ten_readers_that_reconnect_at_random_see_what_fifty_writers_commit_whole_and_in_order(
    database: str, total: int
):
    town = AlertTown(database).build()
    devices = [town.device(elder=town.elder()) for _ in range(40)]
    async with AsyncExitStack() as stack:
        writing = await stack.enter_async_context(make_pool(database, name="write", max_size=WRITERS, timeout_s=60))
        reading = await stack.enter_async_context(make_pool(database, name="read", max_size=12, timeout_s=60))
        feeds = [await stack.enter_async_context(running(reading)) for _ in range(2)]
        readers = [asyncio.create_task(read_all(feeds, total, seed)) for seed in range(READERS)]
        await asyncio.gather(*(write(writing, devices, total // WRITERS, seed) for seed in range(WRITERS)))
        seen = await asyncio.gather(*readers)
        async with reading.connection() as conn:
            assert await highest_seq(conn) == total
    assert [seq for seq, _, _ in seen[0]] == list(range(1, total + 1))
    assert all(each == seen[0] for each in seen[1:])
    versions: dict[str, int] = {}
    for _, alert, version in seen[0]:
        assert version == versions.get(alert, 0) + 1
        versions[alert] = version


async def test_a_reader_without_a_number_begins_with_the_next_event(pool: Pool, pendant: str):
    await ring(pool, pendant, 3)
    async with running(pool) as feed:
        reading = asyncio.create_task(take(feed, None, 1))
        while feed.position is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        await ring(pool, pendant)
        assert [event.seq for event in await asyncio.wait_for(reading, 10)] == [4]


async def test_a_reader_far_behind_reads_on_from_the_table_and_misses_nothing(pool: Pool, pendant: str):
    async with running(pool) as feed:
        slow = feed.subscribe(0)
        await ring(pool, pendant)
        first = await anext(slow)
        for _ in range(5):
            await ring(pool, pendant, 700)
        await take(feed, 3000, 501)  # the feed itself has read them all
        rest = [await anext(slow) for _ in range(3500)]
        await slow.aclose()
    assert [event.seq for event in (first, *rest)] == list(range(1, 3502))


async def test_a_lost_wake_up_is_made_good_by_polling(pool: Pool, pendant: str, database: str):
    async with running(pool, poll_s=0.2) as feed:
        reading = asyncio.create_task(take(feed, 0, 1))
        while not feed.connected:
            await asyncio.sleep(0.01)
        with psycopg.connect(database, autocommit=True) as conn:
            conn.execute(
                "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS $$SELECT NULL::void$$"
            )
            conn.execute(f'ALTER DATABASE "{conn.info.dbname}" SET search_path = public, pg_catalog')
        async with make_pool(database, name="deaf") as deaf:
            await ring(deaf, pendant)
        assert [event.seq for event in await asyncio.wait_for(reading, 10)] == [1]


async def test_numbers_that_go_backwards_end_the_feed_and_its_readers(pool: Pool, pendant: str, database: str):
    await ring(pool, pendant, 5)
    feed = AlertFeed(pool, 0.1)
    task = asyncio.create_task(feed.run(asyncio.Event()))
    assert len(await take(feed, 0, 5)) == 5
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("UPDATE alert_counter SET seq = 2")
    with pytest.raises(FeedReset):
        await asyncio.wait_for(task, 10)
    with pytest.raises(FeedReset):
        await asyncio.wait_for(take(feed, 4, 9), 10)


@pytest.mark.faults
async def test_a_restart_of_the_database_costs_readers_time_and_nothing_else(private_stack: RunningStack):
    from core.store.migrate import migrate

    url = private_stack.database_url
    await asyncio.to_thread(migrate, url)
    town = AlertTown(url).build()
    pendant = town.device(elder=town.elder())
    async with make_pool(url, name="test", timeout_s=5) as pool, running(pool, 0.2) as feed:
        reading = asyncio.create_task(take(feed, 0, 20))
        await ring(pool, pendant, 10)
        await asyncio.to_thread(servers.stop_database, private_stack.data_dir)
        await asyncio.sleep(1)
        assert not feed.connected
        await asyncio.to_thread(servers.start_database, private_stack.data_dir)
        await ring(pool, pendant, 10)
        seen = await asyncio.wait_for(reading, 30)
    assert [event.seq for event in seen] == list(range(1, 21))


async def test_connections_that_are_half_open_for_good_do_not_stop_the_feed(pool: Pool, pendant: str, database: str):
    """Also those that wait in the pool: asking one whether it lives must not take for ever."""
    to = urlsplit(database)
    proxy = await TcpProxy(to.hostname or "127.0.0.1", to.port or 5432).start()
    through = to._replace(netloc=f"{to.netloc.rpartition('@')[0]}@{proxy.host}:{proxy.port}").geturl()
    async with make_pool(through, name="test stranded", min_size=3, max_size=4) as between:
        await between.wait()
        async with running(between, 0.2) as feed, asyncio.timeout(60):
            taken = asyncio.create_task(take(feed, 0, 2))
            await ring(pool, pendant)
            await asyncio.sleep(1)
            proxy.strand()
            await ring(pool, pendant)
            assert [event.seq for event in await taken] == [1, 2]
    await proxy.stop()
