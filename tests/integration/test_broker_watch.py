"""What a real broker drops reaches the pulse of a worker and rings."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from alerts.platform.checks import Limits
from alerts.platform.rounds import Patience, watch_round
from core.runtime.clock import Clock
from core.runtime.mqtt import MqttSession, Subscription, parse_broker_url
from core.store.pool import make_pool
from ingest.broker_watch import BrokerWatch
from ingest.metrics import IngestMetrics
from stack import broker
from stack.mosquitto_conf import configuration
from tests.fixtures.ingest_house import House, eventually
from tests.fixtures.lone_broker import LoneBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def forgetful_broker(lone_broker: LoneBroker, monkeypatch: pytest.MonkeyPatch) -> LoneBroker:
    """The same broker with queues of five messages."""
    lone_broker.stop()
    monkeypatch.setattr(broker, "configuration", lambda of: configuration(replace(of, max_queued_messages=5)))
    lone_broker.start()
    return lone_broker


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


async def test_what_the_broker_drops_is_in_the_pulse_and_rings_in_the_database(
    forgetful_broker: LoneBroker, database: str
):
    house = await House(database, forgetful_broker.url).open()
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
        await drop_some(forgetful_broker.url)
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
