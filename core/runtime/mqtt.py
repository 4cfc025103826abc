"""The MQTT 5 session of ingest lanes, API and sync tasks: it reconnects for ever and acknowledges by hand.

    async with MqttSession(url, client_id="ingest-alarm-1", on_messages=batch.add,
                           session_expiry_s=3600, receive_maximum=4000) as session:
        await session.subscribe([Subscription("anxin/v1/+/up/alarm")])
        await session.fatal          # ends when the session is closed, raises when a handler failed

Delivery: a QoS 1 message is the broker's until `ack()`. After a reconnect the broker delivers what was
not acknowledged again, under a new epoch; acks of the earlier epoch are ignored, so the reader must
deduplicate. MQTT asks for acks in the order of receipt: acknowledge in order per lane, but do not build
on the broker enforcing or needing it. At most `receive_maximum` messages are unacknowledged at a time:
that is the back-pressure.

Sending: the outcome of a QoS 1 publish whose link went down is unknown (`Disconnected`); nothing is kept
over a reconnect, the caller decides whether to send again.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Self, Unpack

import mqtt5

from core.runtime.mqtt_connection import MqttConnection, OnMessages
from core.runtime.mqtt_dial import LinkFailed, dial, request, withdraw
from core.runtime.mqtt_link import Backoff, KeepAlive, Verdict
from core.runtime.mqtt_outgoing import PublishOptions, Sent, publish_encoder
from core.runtime.mqtt_report import LinkReport
from core.runtime.mqtt_types import (
    Disconnected,
    Message,
    MqttError,
    OutgoingFull,
    PublishRefused,
    SubscribeRefused,
    Subscription,
)
from core.runtime.mqtt_url import BrokerAddress, BrokerUrlError, parse_broker_url

__all__ = [
    "BrokerAddress",
    "BrokerUrlError",
    "Disconnected",
    "LinkFailed",
    "Message",
    "MqttError",
    "MqttSession",
    "OutgoingFull",
    "PublishOptions",
    "PublishRefused",
    "SubscribeRefused",
    "Subscription",
    "parse_broker_url",
]

log = logging.getLogger(__name__)


class MqttSession:
    """One client id on one broker. Create it in or out of a loop, `start()` it in the loop that owns it.

    `on_messages` is called once per received TCP chunk with its messages, in order, from the event loop:
    it must not block. If it raises, the session stops without acknowledging and `fatal` raises the error.

    `clean_start` discards an old session on the first connection only; reconnects resume.
    `session_expiry_s`: how long the broker keeps session and queue after the link is gone.
    `read_pause_s`: after a small chunk, wait so long for more: a broker writes each message by itself, and a turn of
    the loop for each costs more than the message. For bulk, not for alarms.
    `clock` stamps `Message.received_at` and `last_connected_at`; timers use the loop's own.
    """

    def __init__(
        self,
        broker: str | BrokerAddress,
        *,
        client_id: str,
        on_messages: OnMessages | None = None,
        clean_start: bool = False,
        session_expiry_s: int = 0,
        receive_maximum: int = 1000,
        keep_alive_s: int = 10,
        will: mqtt5.Will | None = None,
        clock: Callable[[], float] = time.monotonic,
        max_packet_bytes: int = 4 * 1024 * 1024,
        outgoing_limit: int = 10_000,
        outgoing_limit_bytes: int = 32 * 1024 * 1024,
        read_pause_s: float = 0,
    ) -> None:
        if not 1 <= receive_maximum <= 65535:
            raise ValueError(f"receive_maximum is 1 to 65535, not {receive_maximum}")
        if not 1 <= keep_alive_s <= 65535:
            raise ValueError(f"keep_alive_s is 1 to 65535, not {keep_alive_s}")
        self.address = parse_broker_url(broker) if isinstance(broker, str) else broker
        self.client_id = client_id
        self._tls = self.address.tls_context()
        self._handler = on_messages
        self._clean_start, self._session_expiry_s = clean_start, session_expiry_s
        self._receive_maximum, self._keep_alive_s = receive_maximum, keep_alive_s
        self._will, self._clock = will, clock
        self._max_packet = max_packet_bytes
        self._limit, self._limit_bytes = outgoing_limit, outgoing_limit_bytes
        self._read_pause_s = read_pause_s

        self.connected = asyncio.Event()
        """Set while the broker has accepted us and granted every remembered subscription."""
        self.last_connected_at: float | None = None
        self.connects = 0
        self.epoch = 0
        self._filters: dict[str, Subscription] = {}
        self._granted: dict[str, Subscription] = {}
        self._connection: MqttConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._fatal: asyncio.Future[None] | None = None
        self._report = LinkReport(client_id)
        self._up_at: float | None = None
        self._closing = self._stopped = False

    # --- state

    @property
    def reconnects(self) -> int:
        return max(0, self.connects - 1)

    @property
    def in_flight(self) -> int:
        """Messages received on this connection and not yet acknowledged."""
        return len(self._connection.unacked) if self._connection else 0

    @property
    def outgoing_pending(self) -> int:
        """Publishes queued or waiting for their PUBACK."""
        return self._connection.outgoing.pending if self._connection else 0

    @property
    def last_failure(self) -> str | None:
        """Why there is no link, as one sentence; None while connected or never tried."""
        return self._report.last_failure

    @property
    def fatal(self) -> asyncio.Future[None]:
        """Raises what a message handler raised; ends quietly on `close()`. A service waits for it."""
        if self._fatal is None:
            raise RuntimeError("the MQTT session is not started")
        if self._fatal.cancelled():
            # Cancelling a task cancels the future it awaits: a `wait_for` that ran out must not deafen the next.
            self._fatal = asyncio.get_running_loop().create_future()
        return self._fatal

    # --- life

    async def start(self) -> None:
        """Begin connecting and return at once; `await session.connected.wait()` to wait."""
        if self._task is not None:
            raise RuntimeError("an MQTT session is started once")
        self._fatal = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"mqtt {self.client_id}")

    async def close(self, *, drain_s: float = 2.0) -> None:
        """Wait up to `drain_s` for what is still being sent, DISCONNECT, end. The broker drops the will."""
        self._closing = True
        connection = self._connection
        if connection is not None and connection.open:
            await _drained(connection, drain_s)
            connection.say_goodbye("closed by us", mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION)
            await asyncio.wait({connection.lost})
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._fatal is not None and not self.fatal.done():
            self.fatal.set_result(None)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # --- reading

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Remember these filters for every connection; with a link, return when the broker granted them.

        Without a link it returns at once: `connected` is set only when all are granted. Raises
        SubscribeRefused, and then forgets the refused ones; LinkFailed when the broker does not answer.
        """
        if self._handler is None:
            raise ValueError("a session without on_messages would never acknowledge: give it one to subscribe")
        self._filters.update({subscription.topic_filter: subscription for subscription in subscriptions})
        connection = self._connection
        if connection is None or not self.connected.is_set():
            return
        try:
            if await request(connection, subscriptions):
                self._grant(subscriptions)
        except SubscribeRefused as error:
            for name in error.refused:
                self._filters.pop(name, None)
            raise

    async def unsubscribe(self, topic_filters: Sequence[str]) -> None:
        """Forget these filters; with a link, tell the broker and wait for its answer."""
        for name in topic_filters:
            self._filters.pop(name, None)
            self._granted.pop(name, None)
        if self._connection is not None and self._connection.open:
            await withdraw(self._connection, topic_filters)

    def ack(self, messages: Iterable[Message]) -> None:
        """PUBACK these in one write. QoS 0, already acknowledged and earlier-epoch messages are skipped."""
        if self._connection is not None:
            self._connection.ack(messages)

    # --- sending

    async def publish(self, topic: str, payload: bytes, **options: Unpack[PublishOptions]) -> None:
        """Return at QoS 1 (the default) with the broker's PUBACK, at QoS 0 when handed to the transport.

        Raises Disconnected (no link, or lost before the answer), PublishRefused, OutgoingFull.
        """
        done: Sent = asyncio.get_running_loop().create_future()
        self._put(topic, payload, done, options)
        await done

    def publish_nowait(self, topic: str, payload: bytes, **options: Unpack[PublishOptions]) -> bool:
        """Queue and forget, at QoS 0 unless said. False, and nothing sent: no link, no room or a bad topic."""
        options.setdefault("qos", 0)
        try:
            self._put(topic, payload, None, options)
        except (Disconnected, OutgoingFull, PublishRefused):
            return False
        return True

    def _put(self, topic: str, payload: bytes, done: Sent | None, options: PublishOptions) -> None:
        if self._connection is None or not self._connection.open:
            raise Disconnected("no link to the broker")
        qos = options.get("qos", 1)
        if qos not in (0, 1):
            raise ValueError(f"publish with QoS 0 or 1, not {qos}")
        self._connection.outgoing.put(publish_encoder(topic, payload, options), qos=qos, done=done)

    # --- the connection loop

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(random.random)
        while not self._stopped:
            self.epoch += 1
            self._up_at = None
            try:
                await self._one_connection()
            except LinkFailed as error:
                if self._closing or self._stopped:
                    return
                self._report.failed(str(error))
            except Exception as error:
                self._crashed(error)
            if self._closing or self._stopped:
                return
            await asyncio.sleep(backoff.next_delay(loop.time() - self._up_at if self._up_at else 0.0))

    async def _one_connection(self) -> None:
        """Connect, subscribe, keep alive until the link is lost: ends by raising LinkFailed."""
        connection = self._new_connection()
        # From here on, not after CONNACK: messages may come in the very chunk of the CONNACK, and a
        # handler that acknowledges at once must find its connection.
        self._connection, self._granted = connection, {}
        try:
            connack = await dial(self.address, self._tls, connection)
            self._welcomed(connack)
            keep_alive = KeepAlive(connack.server_keep_alive or self._keep_alive_s)
            while not connection.lost.done():
                if not self.connected.is_set():
                    await self._settle(connection)
                await asyncio.wait({connection.lost}, timeout=keep_alive.interval_s)
                self._look_after(connection, keep_alive)
            raise LinkFailed(await connection.lost)
        finally:
            self.connected.clear()
            self._connection = None
            connection.abort("given up")

    def _new_connection(self) -> MqttConnection:
        hello = mqtt5.ConnectPacket(
            self.client_id,
            username=self.address.username,
            password=self.address.password.encode() if self.address.password is not None else None,
            # A session that the broker need not keep is never resumed either: one that it wrote down all the same it
            # takes for expired after a restart, and cuts the link that has just come back to it (Mosquitto 2.0.21).
            clean_start=not self._session_expiry_s or (self._clean_start and self.connects == 0),
            will=self._will,
            keep_alive=self._keep_alive_s,
            session_expiry_interval=self._session_expiry_s,
            receive_max=self._receive_maximum,
            max_packet_size=self._max_packet,
        )
        return MqttConnection(
            self.epoch,
            hello,
            on_messages=self._handler or _nothing_is_subscribed,
            on_crash=self._crashed,
            clock=self._clock,
            max_packet=self._max_packet,
            queue_limit=self._limit,
            queue_limit_bytes=self._limit_bytes,
            # Under TLS the socket is read all the same, and what an end finds unread is lost with it.
            read_pause_s=self._read_pause_s if self._tls is None else 0,
        )

    async def _settle(self, connection: MqttConnection) -> None:
        """Ask for what is not granted yet (always everything on a new connection), then say `connected`.

        Asking again for what a resumed session already holds is harmless and repairs a broker that lost
        or never had a filter of this release. While one is refused the link stays: the others must be
        heard. It is asked for again at each keep-alive.
        """
        try:
            while wanted := [sub for name, sub in self._filters.items() if self._granted.get(name) != sub]:
                if not await request(connection, wanted):
                    return
                self._grant(wanted)
        except SubscribeRefused as error:
            self._grant([subscription for subscription in wanted if subscription.topic_filter not in error.refused])
            self._report.failed(str(error))
            return
        if connection.open:
            self._up()

    def _grant(self, subscriptions: Sequence[Subscription]) -> None:
        self._granted.update({subscription.topic_filter: subscription for subscription in subscriptions})

    def _look_after(self, connection: MqttConnection, keep_alive: KeepAlive) -> None:
        if connection.lost.done():
            return
        heard, connection.heard = connection.heard, False
        if keep_alive.tick(asyncio.get_running_loop().time(), heard=heard) is Verdict.DEAD:
            connection.abort("the broker fell silent: no answer to a PINGREQ")
        else:
            connection.ping()

    def _welcomed(self, connack: mqtt5.ConnAckPacket) -> None:
        self._up_at = asyncio.get_running_loop().time()
        self.connects += 1
        if self.reconnects and self._session_expiry_s and not connack.session_present:
            self._report.session_lost()

    def _up(self) -> None:
        self.last_connected_at = self._clock()
        self._report.connected(self.address, self.epoch)
        self.connected.set()

    def _crashed(self, error: BaseException) -> None:
        self._stopped = True
        self._report.crashed(error)
        if not self.fatal.done():
            self.fatal.set_exception(error)


def _nothing_is_subscribed(messages: list[Message]) -> None:
    """A broker may still hold a subscription of an earlier life of this client id: nobody reads it."""
    log.warning("%d messages came to a session that reads nothing", len(messages), extra={"action": "mqtt.unread"})


async def _drained(connection: MqttConnection, drain_s: float) -> None:
    # `idle` is also set when the link is lost.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(connection.outgoing.idle.wait(), drain_s)
