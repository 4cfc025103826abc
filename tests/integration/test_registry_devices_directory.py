"""The directory in memory: fresh after a change, still there when the database is not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import psycopg
import pytest

from core.store.pool import make_pool
from registry import device_models, devices
from registry.directory import PAGE, Directory, DirectoryCache, load_directory
from simulators.chaos.proxy import TcpProxy
from tests.fixtures.device_places import NOW

pytestmark = pytest.mark.integration

OUTER_S = 20


@pytest.fixture
async def conn(database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as conn:
        await device_models.seed_models(conn, NOW)
        yield conn


@contextlib.asynccontextmanager
async def cached(url: str, poll_s: float = 30) -> AsyncIterator[DirectoryCache]:
    async with make_pool(url, name="test", max_size=3, timeout_s=2) as pool:
        cache, stop = DirectoryCache(pool, poll_s=poll_s), asyncio.Event()
        task = asyncio.create_task(cache.run(stop))
        await asyncio.wait_for(cache.loaded.wait(), OUTER_S)
        yield cache
        assert not task.done()
        stop.set()
        await task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(OUTER_S):
        while not holds():
            await asyncio.sleep(0.02)


async def test_the_directory_has_every_device_of_a_fleet_larger_than_a_page(conn: psycopg.AsyncConnection):
    await devices.create(conn, device_id="hub", model="hub", now=NOW)
    await devices.create_many(conn, [devices.DeviceSpec("pir", hub_id="hub")] * (2 * PAGE), now=NOW)
    directory = await load_directory(conn)
    assert len(directory) == 2 * PAGE + 1
    entry = directory.get("hub")
    assert entry is not None
    assert (entry.device_type, entry.lifecycle, entry.hub_id, entry.centre_id) == ("gateway", "in_stock", None, None)
    assert {each.hub_id for each in directory} == {None, "hub"}
    assert len({each.device_no for each in directory}) == len(directory)
    assert directory.get("nobody") is None
    assert len(Directory()) == 0


async def test_a_change_is_known_without_waiting_for_the_poll(conn: psycopg.AsyncConnection, database: str):
    async with cached(database) as cache:
        await devices.create(conn, device_id="w1", model="pendant", now=NOW)
        await until(lambda: cache.current.get("w1") is not None)
        await devices.retire(conn, "w1", NOW)
        await until(lambda: [each.lifecycle for each in cache.current] == ["retired"])


async def test_a_refresh_on_demand_knows_a_device_made_a_moment_ago(conn: psycopg.AsyncConnection, database: str):
    async with make_pool(database, name="test", max_size=3) as pool:
        cache = DirectoryCache(pool)
        await cache.refresh()
        assert cache.loaded.is_set() and len(cache.current) == 0
        await devices.create(conn, device_id="w1", model="pendant", now=NOW)
        await asyncio.gather(*(cache.refresh() for _ in range(20)))
        assert cache.current.get("w1") is not None
        before = cache.current
        await cache.refresh()
        assert cache.current is before  # nothing had changed: nothing was read


async def test_a_missed_notification_is_made_up_for_by_the_poll(conn: psycopg.AsyncConnection, database: str):
    async with cached(database, poll_s=0.2) as cache:
        async with conn.transaction():
            await conn.execute("SET LOCAL session_replication_role = replica")  # no triggers: nobody is told
            await devices.create(conn, device_id="w1", model="pendant", now=NOW)
        await until(lambda: cache.current.get("w1") is not None)


async def test_the_last_directory_serves_while_the_database_is_away_and_a_new_one_when_it_is_back(
    conn: psycopg.AsyncConnection, database: str
):
    await devices.create(conn, device_id="w1", model="pendant", now=NOW)
    parts = urlsplit(database)
    proxy = await TcpProxy(parts.hostname or "", parts.port or 0).start()
    through = parts._replace(netloc=parts.netloc.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}"))
    try:
        async with cached(through.geturl(), poll_s=0.5) as cache:
            assert proxy.accepted >= 1
            await proxy.stop()
            await asyncio.sleep(1)
            await devices.create(conn, device_id="w2", model="pendant", now=NOW)
            assert cache.current.get("w1") is not None
            assert cache.current.get("w2") is None
            await proxy.start()  # on the port it had
            await until(lambda: cache.current.get("w2") is not None)
    finally:
        await proxy.stop()
