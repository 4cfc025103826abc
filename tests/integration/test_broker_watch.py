"""What a real broker drops reaches the pulse of a worker and rings."""

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alerts.platform.checks import Limits
from alerts.platform.rounds import Patience, watch_round
from core.runtime.clock import Clock
from core.runtime.mqtt import MqttSession, Subscription, parse_broker_url
from core.store.pool import make_pool
from ingest.broker_watch import BrokerWatch
from ingest.metrics import IngestMetrics
from stack.broker import running_broker
from tests.fixtures.ingest_house import House, eventually
from tests.fixtures.lone_broker import LoneBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def shorten_queues(broker: LoneBroker) -> None:
    [conf] = Path(broker.folder).rglob("mosquitto.conf")
    lines = [line for line in conf.read_text().splitlines() if not line.startswith("max_queued_messages")]
    conf.write_text("\n".join([*lines, "max_queued_messages 5"]) + "\n")
    os.kill(running_broker(broker.folder), signal.SIGHUP)


async def drop_some(url: str) -> None:
    """A reader with a session that is away: what cannot be kept for it is dropped."""
    away = MqttSession(url, client_id="away", on_messages=lambda _: None, session_expiry_s=600, receive_maximum=1)
    await away.start()
    await away.subscribe([Subscription("anxin/v1/away/down/cmd")])
    await asyncio.wait_for(away.connected.wait(), 20)
    await away.close()
    async with MqttSession(url, client_id="talker") as talker:
        await asyncio.wait_for(talker.connected.wait(), 20)
        for number in range(200):
            await talker.publish("anxin/v1/away/down/cmd", str(number).encode())


async def test_what_the_broker_drops_is_in_the_pulse_and_rings_in_the_database(lone_broker: LoneBroker, database: str):
    house = await House(database, lone_broker.url).open()
    async with house.conn, house.worker(), make_pool(database, name="test") as pool:

        async def dropped() -> int | None:
            return await house.one("SELECT max((detail->>'broker_dropped')::int) FROM component_pulse")

        async def ringing() -> list[tuple[str, str]]:
            await watch_round(pool, Limits(), Patience(), Clock().now())
            return await house.rows("SELECT subject_id, severity FROM alert WHERE rule = 'platform_broker_dropped'")

        async def known() -> bool:
            return await dropped() is not None

        await eventually(known, seconds=30)
        assert await ringing() == []
        shorten_queues(lone_broker)
        await drop_some(lone_broker.url)
        assert await eventually(ringing, seconds=30) == [("platform-broker", "p1")]


async def test_after_its_restart_the_broker_is_heard_again_and_without_a_line_nothing_is_known(
    lone_broker: LoneBroker,
):
    metrics, stop = IngestMetrics(CollectorRegistry()), asyncio.Event()
    watch = BrokerWatch(parse_broker_url(lone_broker.url), "watch", metrics, keep_alive_s=5)
    running = asyncio.create_task(watch.run(stop))

    def told() -> int | None:
        return watch.told()["broker_dropped"]

    await eventually(lambda: told() == 0, seconds=30)
    await eventually(lambda: metrics.broker_clients._value.get() >= 1, seconds=30)
    await asyncio.to_thread(lone_broker.stop)
    await eventually(lambda: told() is None, seconds=30)
    await asyncio.to_thread(lone_broker.start)
    await eventually(lambda: told() == 0, seconds=60)
    stop.set()
    await asyncio.wait_for(running, timedelta(seconds=10).total_seconds())
