"""Connections that only listen, and one that holds rows, when they become half-open for good: new ones would work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from core.runtime.clock import Clock
from core.store.ear import Ear, follow
from core.store.pool import Pool, make_pool, notify
from ingest.downlink import Downlink
from ingest.metrics import IngestMetrics
from registry import commands, device_models, devices
from registry.broker_sync import BrokerSync
from registry.directory import DirectoryCache
from simulators.chaos.proxy import TcpProxy
from tests.fixtures.ingest_house import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

OUTER_S = 40


@pytest.fixture
async def conn(database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as conn:
        await device_models.seed_models(conn, datetime.now(UTC))
        yield conn


@asynccontextmanager
async def through_a_proxy(url: str) -> AsyncIterator[tuple[Pool, TcpProxy]]:
    server = urlsplit(url)
    proxy = await TcpProxy(server.hostname or "", server.port or 5432).start()
    through = server._replace(netloc=f"{server.netloc.rpartition('@')[0]}@{proxy.host}:{proxy.port}").geturl()
    try:
        async with make_pool(through, name="test ear", max_size=3, timeout_s=5) as pool:
            yield pool, proxy
    finally:
        await proxy.stop()


async def test_an_ear_that_is_half_open_for_good_is_replaced_and_hears_again(conn: psycopg.AsyncConnection, database):
    stop, heard = asyncio.Event(), list[bool]()
    lost, ears = list[BaseException](), list[Ear]()

    async def work(ear: Ear) -> None:
        ears.append(ear)
        while not stop.is_set():
            if await ear.heard(1.0, {"mine"}):
                heard.append(True)

    async with through_a_proxy(database) as (pool, proxy):
        task = asyncio.create_task(follow(pool, "news", stop, work, away=lost.append))
        await eventually(lambda: ears)
        await notify(conn, "news", "another's")
        await notify(conn, "news", "mine")
        await eventually(lambda: heard)
        proxy.strand()
        await eventually(lambda: len(ears) == 2, seconds=OUTER_S)
        await notify(conn, "news", "mine")
        await eventually(lambda: len(heard) == 2)
        assert len(lost) == 1
        stop.set()
        await task


async def test_the_directory_hears_of_a_device_although_its_connections_are_stranded(
    conn: psycopg.AsyncConnection, database: str
):
    async with through_a_proxy(database) as (pool, proxy):
        cache, stop = DirectoryCache(pool, poll_s=3600), asyncio.Event()
        task = asyncio.create_task(cache.run(stop))
        await eventually(cache.loaded.is_set)
        proxy.strand()
        await devices.create(conn, device_id="w1", model="pendant", now=datetime.now(UTC))
        await eventually(lambda: cache.current.get("w1") is not None, seconds=OUTER_S)
        stop.set()
        await task
        assert {entry.id for entry in cache.current} == {"w1"}


async def test_credentials_are_followed_on_although_the_connection_is_stranded(
    conn: psycopg.AsyncConnection, database: str, tmp_path, monkeypatch
):
    monkeypatch.setattr("registry.broker_sync._READ_WAIT_S", 2.0)
    file = tmp_path / "passwd"
    async with through_a_proxy(database) as (pool, proxy):
        sync = BrokerSync(
            pool, broker="mqtt://127.0.0.1:1", password_file=file, pid_file=tmp_path / "no.pid", poll_s=0.2
        )
        stop = asyncio.Event()
        task = asyncio.create_task(sync.run(stop))
        await eventually(file.exists)
        proxy.strand()
        await devices.create(conn, device_id="w1", model="pendant", now=datetime.now(UTC))
        await eventually(lambda: "w1:" in file.read_text(), seconds=OUTER_S)
        stop.set()
        await task
        assert file.read_text().count("w1:") == 1


class _Broker:
    """Takes every command; the first time something happens to the sender meanwhile."""

    def __init__(self, meanwhile: Any) -> None:
        self.connected = asyncio.Event()
        self.connected.set()
        self.sent: list[str] = []
        self._meanwhile = meanwhile

    async def publish(self, topic: str, payload: bytes, **options: object) -> None:
        self.sent.append(topic)
        if len(self.sent) == 1:
            self._meanwhile()


async def test_a_round_of_commands_that_was_stranded_gives_its_rows_back_and_they_are_sent(
    conn: psycopg.AsyncConnection, database: str, monkeypatch
):
    monkeypatch.setattr("ingest.downlink._ROUND_S", 2.0)
    await devices.create(conn, device_id="w1", model="pendant", now=datetime.now(UTC))
    command = await commands.enqueue(conn, "w1", "ring", ttl_s=3600, now=datetime.now(UTC))
    async with through_a_proxy(database) as (pool, proxy):
        broker, stop = _Broker(proxy.strand), asyncio.Event()
        metrics = IngestMetrics(CollectorRegistry())
        downlink = Downlink(broker, pool, metrics, Clock(), poll_s=0.2)  # type: ignore[arg-type]
        task = asyncio.create_task(downlink.run(stop))

        async def is_sent() -> bool:
            return (await commands.get(conn, command.id)).status == "sent"

        await eventually(is_sent, seconds=OUTER_S)
        assert broker.sent == ["anxin/v1/w1/down/command"] * 2
        stop.set()
        await task
