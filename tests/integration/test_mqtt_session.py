"""The MQTT session against a real Mosquitto."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import mqtt5
import pytest

from core.runtime.mqtt import (
    Disconnected,
    Message,
    MqttSession,
    PublishRefused,
    Subscription,
)
from simulators.chaos.proxy import TcpProxy
from stack.servers import RunningStack
from tests.fixtures.lone_broker import LoneBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.fixture
def topic() -> str:
    return f"anxin/v1/{secrets.token_hex(6)}/up/telemetry"


class Reader:
    """A session that keeps what it gets; `acking` acknowledges in the handler itself."""

    def __init__(self, url: str, *, client_id: str | None = None, acking: bool = False, **options) -> None:
        self.got: list[Message] = []
        self.changed = asyncio.Event()
        self.acking = acking
        options = {"session_expiry_s": 60, "keep_alive_s": 5, **options}
        self.session = MqttSession(url, client_id=client_id or name(), on_messages=self.take, **options)

    def take(self, messages: list[Message]) -> None:
        self.got += messages
        if self.acking:
            self.session.ack(messages)
        self.changed.set()

    async def until(self, count: int) -> list[Message]:
        await eventually(lambda: len(self.got) >= count, self.changed)
        return self.got

    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.got]


def name() -> str:
    return f"test-{secrets.token_hex(6)}"


async def eventually(true: Callable[[], bool], changed: asyncio.Event | None = None) -> None:
    async with asyncio.timeout(20):
        while not true():
            if changed is None:
                await asyncio.sleep(0.02)
            else:
                changed.clear()
                await changed.wait()


async def connected(session: MqttSession) -> MqttSession:
    async with asyncio.timeout(20):
        await session.connected.wait()
    return session


async def reconnected(session: MqttSession, epoch: int) -> None:
    await eventually(lambda: session.connected.is_set() and session.epoch > epoch)


def through(url: str, proxy: TcpProxy) -> str:
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[0]
    return f"mqtt://{account}@{proxy.host}:{proxy.port}"


@pytest.fixture
async def sender(stack_session: RunningStack) -> AsyncIterator[MqttSession]:
    async with MqttSession(stack_session.mqtt_url, client_id=name()) as session:
        yield await connected(session)


@pytest.fixture
async def proxy(stack_session: RunningStack) -> AsyncIterator[TcpProxy]:
    made = await TcpProxy(stack_session.mqtt_host, stack_session.mqtt_port).start()
    yield made
    await made.stop()


Open = Callable[..., Awaitable[Reader]]


@pytest.fixture
async def reader(stack_session: RunningStack, topic: str) -> AsyncIterator[Open]:
    """Opens a connected reader of `topic`; all are closed after the test."""
    opened: list[Reader] = []

    async def open_reader(filters: list[Subscription] | None = None, *, url: str = "", **options) -> Reader:
        made = Reader(url or stack_session.mqtt_url, **options)
        opened.append(made)
        await made.session.start()
        await made.session.subscribe(filters or [Subscription(topic)])
        await connected(made.session)
        return made

    yield open_reader
    for made in opened:
        await made.session.close()


async def test_what_was_not_acknowledged_comes_again_after_a_cut_and_old_acks_do_not_count(
    sender, reader, proxy, stack_session, topic
):
    one = await reader(url=through(stack_session.mqtt_url, proxy))
    for payload in (b"1", b"2", b"3"):
        await sender.publish(topic, payload)
    first = list(await one.until(3))
    one.session.ack(first[:1])
    one.session.ack(first[:1])  # a second ack of the same message is no other message's
    assert one.session.in_flight == 2
    await sender.publish(topic, b"4")  # a round trip: the broker has seen the ack before the cut
    await one.until(4)

    epoch = one.session.epoch
    proxy.cut()
    await reconnected(one.session, epoch)
    await one.until(7)
    again = one.got[4:]
    assert [(message.payload, message.duplicate) for message in again] == [(b"2", True), (b"3", True), (b"4", True)]
    one.session.ack(first)
    assert one.session.in_flight == 3
    one.session.ack(again)
    assert one.session.in_flight == 0
    assert one.session.reconnects == 1


async def test_a_new_process_with_the_same_client_id_gets_what_the_old_one_did_not_acknowledge(sender, reader, topic):
    one = await reader(client_id=(client_id := name()))
    await sender.publish(topic, b"sos")
    await one.until(1)
    await one.session.close()
    await sender.publish(topic, b"while away")

    two = await reader(client_id=client_id, acking=True)
    await two.until(2)
    assert two.payloads() == [b"sos", b"while away"]
    assert two.session.in_flight == 0


async def test_a_clean_start_forgets_the_old_session_once_and_resumes_its_own(
    sender, reader, proxy, stack_session, topic
):
    client_id = name()
    one = await reader(client_id=client_id)
    await sender.publish(topic, b"of the old session")
    await one.until(1)
    await one.session.close()

    two = await reader(client_id=client_id, clean_start=True, url=through(stack_session.mqtt_url, proxy))
    await sender.publish(topic, b"new")
    await two.until(1)
    epoch = two.session.epoch
    proxy.cut()
    await reconnected(two.session, epoch)
    await two.until(2)
    assert two.payloads() == [b"new", b"new"]


async def test_a_stored_replay_does_not_come_and_a_live_retained_publish_does(sender, reader, topic):
    await sender.publish(topic, b"stored", retain=True)
    try:
        plain = await reader([Subscription(topic, retain_handling=2)])
        keeping = await reader([Subscription(topic, retain_handling=2, retain_as_published=True)])
        replayed = await reader([Subscription(topic, retain_handling=0)])
        await sender.publish(topic, b"live", retain=True)
        await plain.until(1)
        await keeping.until(1)
        await replayed.until(2)
        assert [(message.payload, message.retain) for message in plain.got] == [(b"live", False)]
        assert [(message.payload, message.retain) for message in keeping.got] == [(b"live", True)]
        assert [(message.payload, message.retain) for message in replayed.got] == [(b"stored", True), (b"live", False)]
    finally:
        await sender.publish(topic, b"", retain=True)


async def test_a_shared_subscription_gives_each_message_to_one_of_two(sender, reader, topic):
    shared = [Subscription(f"$share/{name()}/{topic}")]
    one, two = await reader(shared, acking=True), await reader(shared, acking=True)
    wanted = [str(n).encode() for n in range(100)]
    await asyncio.gather(*(sender.publish(topic, payload) for payload in wanted))
    await eventually(lambda: len(one.got) + len(two.got) >= 100)
    assert sorted(one.payloads() + two.payloads()) == sorted(wanted)
    assert one.got
    assert two.got


async def test_no_more_than_the_receive_maximum_are_unacknowledged(sender, reader, topic):
    one = await reader(receive_maximum=5)
    for n in range(12):
        await sender.publish(topic, str(n).encode())
    await sender.publish(topic, b"last word", qos=0)
    # QoS 0 is not held back: once it is here, everything the broker would send is.
    await eventually(lambda: b"last word" in one.payloads(), one.changed)
    assert one.session.in_flight == 5
    seen = 0
    while seen < 13:
        await one.until(seen + 1)
        fresh, seen = one.got[seen:], len(one.got)
        assert one.session.in_flight <= 5
        one.session.ack(fresh)
    assert [payload for payload in one.payloads() if payload != b"last word"] == [str(n).encode() for n in range(12)]


async def test_response_topic_and_correlation_data_make_the_round_trip(sender, reader, topic):
    down = topic.replace("up/telemetry", "down/receipt")
    device = await reader([Subscription(down)], acking=True)
    platform = await reader(acking=True)
    await device.session.publish(topic, b"{}", response_topic=down, correlation_data=b"\x00\xff7")
    (request,) = await platform.until(1)
    assert (request.response_topic, request.correlation_data) == (down, b"\x00\xff7")
    assert platform.session.publish_nowait(
        request.response_topic, b"receipt", qos=1, correlation_data=request.correlation_data
    )
    (receipt,) = await device.until(1)
    assert (receipt.payload, receipt.correlation_data) == (b"receipt", b"\x00\xff7")
    assert await no_more_pending(platform.session)


async def no_more_pending(session: MqttSession) -> bool:
    await eventually(lambda: session.outgoing_pending == 0)
    return session.connected.is_set()


async def test_a_message_of_one_megabyte_passes_both_ways(sender, reader, topic):
    one = await reader(acking=True)
    payload = secrets.token_bytes(1024 * 1024)
    await sender.publish(topic, payload)
    (message,) = await one.until(1)
    assert message.payload == payload


async def test_thousands_of_messages_nobody_waits_for_all_arrive_in_order(sender, reader, topic):
    one = await reader(acking=True, receive_maximum=50)
    sent = 0
    while sent < 5000:
        if sender.publish_nowait(topic, str(sent).encode(), qos=1):
            sent += 1
        else:
            await asyncio.sleep(0.01)
    await one.until(5000)
    assert one.payloads() == [str(n).encode() for n in range(5000)]


async def test_a_session_that_pauses_between_reads_gets_everything_in_order_in_fewer_pieces(sender, reader, topic):
    one = await reader(acking=True, receive_maximum=500, read_pause_s=0.05)
    chunks: list[int] = []

    def take(messages: list[Message]) -> None:
        chunks.append(len(messages))
        one.take(messages)

    assert one.session._connection is not None
    one.session._connection._on_messages = take
    for n in range(300):
        await sender.publish(topic, str(n).encode())
    await one.until(300)
    assert one.payloads() == [str(n).encode() for n in range(300)]
    assert len(chunks) < 100, "each of 300 publishes, one after another, came by itself"


async def test_what_is_acknowledged_early_is_held_until_the_older_ones_are(sender, reader, topic):
    one = await reader(receive_maximum=2)
    for n in range(3):
        await sender.publish(topic, str(n).encode())
    first, second = await one.until(2)
    one.session.ack([second])
    assert one.session.in_flight == 2
    one.session.ack([first])
    assert [message.payload for message in await one.until(3)] == [b"0", b"1", b"2"]


async def test_a_response_topic_with_a_wildcard_neither_leaves_nor_costs_the_link(sender):
    epoch = sender.epoch
    assert not sender.publish_nowait("anxin/v1/+/down/receipt", b"x")
    with pytest.raises(PublishRefused):
        await sender.publish("anxin/v1/#", b"x")
    await sender.publish("anxin/v1/fine/up/telemetry", b"x")
    assert sender.epoch == epoch


async def test_a_silent_link_is_found_dead_and_replaced(sender, reader, proxy, stack_session, topic, caplog):
    one = await reader(url=through(stack_session.mqtt_url, proxy), keep_alive_s=1, acking=True)
    epoch = one.session.epoch
    proxy.freeze()
    await eventually(lambda: not one.session.connected.is_set())
    assert "fell silent" in (one.session.last_failure or "")
    await sender.publish(topic, b"meanwhile")
    proxy.thaw()
    await reconnected(one.session, epoch)
    await one.until(1)
    assert one.payloads() == [b"meanwhile"]


async def test_an_idle_link_is_kept_alive(reader):
    one = await reader(keep_alive_s=1)
    await asyncio.sleep(3)  # a broker drops a client after one and a half keep-alives
    assert one.session.connected.is_set()
    assert one.session.reconnects == 0


async def test_a_publish_whose_link_goes_down_says_so_and_so_does_one_without_a_link(proxy, stack_session, topic):
    async with MqttSession(through(stack_session.mqtt_url, proxy), client_id=name()) as session:
        await connected(session)
        proxy.freeze()
        waiting = asyncio.create_task(session.publish(topic, b"?"))
        await eventually(lambda: session.outgoing_pending == 1)
        proxy.cut()
        with pytest.raises(Disconnected):
            await waiting
        await eventually(lambda: not session.connected.is_set())
        with pytest.raises(Disconnected):
            await session.publish(topic, b"?")
        assert not session.publish_nowait(topic, b"?")
        proxy.thaw()


async def test_a_wrong_password_is_said_once_and_tried_again(proxy, caplog):
    caplog.set_level(logging.WARNING, "core.runtime")
    async with MqttSession(f"mqtt://platform:wrong@{proxy.host}:{proxy.port}", client_id=name()) as session:
        await eventually(lambda: proxy.accepted >= 4)
        assert not session.connected.is_set()
        assert "user platform" in (session.last_failure or "")
    lines = [record for record in caplog.records if record.action == "mqtt.disconnected"]
    assert len(lines) == 1
    assert "refused the connection" in lines[0].getMessage()
    assert "wrong" not in caplog.text


async def test_a_handler_that_raises_ends_the_session_and_its_message_is_not_lost(sender, reader, topic, caplog):
    client_id = name()

    def fail(messages: list[Message]) -> None:
        raise RuntimeError("a bug")

    broken = MqttSession(sender.address, client_id=client_id, on_messages=fail, session_expiry_s=60)
    async with broken:
        await broken.subscribe([Subscription(topic)])
        await connected(broken)
        await sender.publish(topic, b"keep me")
        with pytest.raises(RuntimeError, match="a bug"):
            await broken.fatal
        await eventually(lambda: not broken.connected.is_set())
    assert [record.action for record in caplog.records if record.levelno >= logging.ERROR] == ["mqtt.fatal"]

    two = await reader(client_id=client_id, acking=True)
    await two.until(1)
    assert two.payloads() == [b"keep me"]


async def test_the_will_speaks_for_a_killed_session_and_not_for_a_closed_one(reader, proxy, stack_session, topic):
    one = await reader(acking=True)
    for ending in ("closed", "killed"):
        will = mqtt5.Will(topic, payload=ending.encode(), qos=mqtt5.QoS.AT_LEAST_ONCE)
        session = MqttSession(through(stack_session.mqtt_url, proxy), client_id=name(), will=will)
        await session.start()
        await connected(session)
        if ending == "killed":
            proxy.cut()
            await one.until(1)
        await session.close()
    assert one.payloads() == [b"killed"]


async def test_being_taken_over_is_logged_with_the_brokers_reason(reader, caplog):
    client_id = name()
    one = await reader(client_id=client_id)
    async with MqttSession(one.session.address, client_id=client_id):
        await eventually(lambda: "session taken over" in caplog.text)
    await connected(one.session)
    assert one.session.connected.is_set()


async def test_an_unsubscribed_filter_is_quiet_also_after_a_reconnect(sender, reader, proxy, stack_session, topic):
    other = topic.replace("telemetry", "alarm")
    one = await reader(
        [Subscription(topic), Subscription(other)], url=through(stack_session.mqtt_url, proxy), acking=True
    )
    await one.session.unsubscribe([topic])
    epoch = one.session.epoch
    proxy.cut()
    await reconnected(one.session, epoch)
    await sender.publish(topic, b"unwanted")
    await sender.publish(other, b"wanted")
    await one.until(1)
    assert one.payloads() == [b"wanted"]


async def test_a_broker_restart_resumes_the_session_and_what_was_unacknowledged(lone_broker: LoneBroker, topic):
    one = Reader(lone_broker.url)
    async with one.session:
        await one.session.subscribe([Subscription(topic)])
        await connected(one.session)
        await one.session.publish(topic, b"before")
        await one.until(1)
        epoch = one.session.epoch
        await asyncio.to_thread(lone_broker.stop)
        await eventually(lambda: not one.session.connected.is_set())
        await asyncio.to_thread(lone_broker.start)
        await reconnected(one.session, epoch)
        await one.until(2)
        assert [(message.payload, message.duplicate) for message in one.got] == [(b"before", False), (b"before", True)]


async def test_a_broker_that_forgot_us_is_subscribed_to_again_and_the_loss_is_logged(
    lone_broker: LoneBroker, topic, caplog
):
    one = Reader(lone_broker.url, acking=True)
    async with one.session:
        await one.session.subscribe([Subscription(topic)])
        await connected(one.session)
        epoch = one.session.epoch
        await asyncio.to_thread(lone_broker.kill)
        await eventually(lambda: not one.session.connected.is_set())
        await asyncio.to_thread(lone_broker.start)
        await reconnected(one.session, epoch)
        await one.session.publish(topic, b"after")
        await one.until(1)
    assert "mqtt.session_lost" in [record.action for record in caplog.records if hasattr(record, "action")]
