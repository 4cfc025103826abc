"""One MQTT connection of a simulated device, many in one process: paho-mqtt's protocol on this event loop's sockets.

paho, and not the platform's own session, on purpose: a black-box client speaks through another hand's MQTT. Each
connection gets a fresh paho client, so nothing it queued survives unseen; what must survive is kept by the caller.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

log = logging.getLogger(__name__)

_FIRST_WAIT_S, _LONGEST_WAIT_S, _STABLE_AFTER_S = 0.2, 5.0, 30.0
_ANSWER_WITHIN_S = 15.0
_IN_FLIGHT = 200


class LinkDown(Exception):
    """There is no connection, or it went before the broker answered; whether it arrived is not known."""


@dataclass(frozen=True, slots=True)
class Login:
    host: str
    port: int
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Incoming:
    topic: str
    payload: bytes
    correlation: bytes | None


class Link:
    """Reconnects until it is closed. `mqtt5` False speaks 3.1.1: no response topic, no correlation data.

    `on_up` is called at each new connection, subscriptions granted; `on_message` for each message; both must not
    block. `will` is (topic, payload), published by the broker at QoS 1 when the connection breaks.
    """

    def __init__(
        self,
        login: Login,
        *,
        client_id: str,
        mqtt5: bool = True,
        read: str | None = None,
        on_message: Callable[[Incoming], None] | None = None,
        on_up: Callable[[], None] | None = None,
        will: tuple[str, bytes] | None = None,
        keep_alive_s: int = 30,
    ) -> None:
        self.login, self.client_id, self.mqtt5 = login, client_id, mqtt5
        self._read, self._on_message, self._on_up, self._will = read, on_message, on_up, will
        self._keep_alive_s = keep_alive_s
        self.up = asyncio.Event()
        self.connects = 0
        self.last_failure: str | None = None
        self._client: paho.Client | None = None
        self._attached: Any = None  # a socket; paho's own type for it is a protocol without options
        self._ended: asyncio.Future[str] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._acks: dict[int, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name=f"link {self.client_id}")

    async def close(self) -> None:
        """Say goodbye: the broker then keeps the will to itself."""
        if self._task is None:
            return
        if self._client is not None and self.up.is_set():
            self._client.disconnect()
            self._client.loop_write()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, answer_to: tuple[str, bytes] | None = None
    ) -> asyncio.Future[None]:
        """Done with the broker's PUBACK (at QoS 0 at once). Raises LinkDown, also through the future.

        `answer_to`: (response topic, correlation data), only with MQTT 5.
        """
        client = self._client
        if client is None or not self.up.is_set():
            raise LinkDown(self.last_failure or "not connected")
        properties = None
        if answer_to is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic, properties.CorrelationData = answer_to
        info = client.publish(topic, payload, qos=qos, properties=properties)
        done: asyncio.Future[None] = self._loop.create_future()
        if qos == 0:
            done.set_result(None)
        else:
            # Nobody may be waiting any more when the link goes down: that is not an error of the loop.
            done.add_done_callback(lambda future: future.cancelled() or future.exception())
            self._acks[info.mid] = done
        return done

    async def _run(self) -> None:
        wait_s = 0.0
        while True:
            began = self._loop.time()
            try:
                reason = await self._one_connection()
            except OSError as error:
                reason = f"no connection to {self.login.host}:{self.login.port}: {error.strerror or error}"
            finally:
                self._let_go()
            if reason != self.last_failure:
                log.info(reason, extra={"action": "link.down", "device_id": self.login.username})
            self.last_failure = reason
            lived = self._loop.time() - began
            wait_s = _FIRST_WAIT_S if lived > _STABLE_AFTER_S or not wait_s else min(2 * wait_s, _LONGEST_WAIT_S)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - jitter

    async def _one_connection(self) -> str:
        """Connect and serve the socket; returns why the connection ended. Raises OSError."""
        ended: asyncio.Future[str] = self._loop.create_future()
        self._ended = ended
        client = self._client = self._new_client()
        # Resolving and connecting block; the sockets of the others must not wait for that.
        await asyncio.to_thread(client.connect, self.login.host, self.login.port, self._keep_alive_s)
        self._attach(client)
        deadline = self._loop.time() + _ANSWER_WITHIN_S
        while not ended.done():
            await asyncio.wait({ended}, timeout=self._keep_alive_s / 3)
            if not ended.done():
                client.loop_misc()
                if not self.up.is_set() and self._loop.time() > deadline:
                    return "the broker does not answer"
        return ended.result()

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=paho.MQTTv5 if self.mqtt5 else paho.MQTTv311,
        )
        client.username_pw_set(self.login.username, self.login.password)
        client.max_inflight_messages_set(_IN_FLIGHT)
        if self._will is not None:
            client.will_set(*self._will, qos=1)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_message, client.on_publish = self._granted, self._received, self._acknowledged
        client.on_socket_register_write = self._wants_write
        client.on_socket_unregister_write = self._wants_no_write
        client.on_socket_close = self._socket_closes
        return client

    def _attach(self, client: paho.Client) -> None:
        opened: Any = client.socket()
        if opened is None:
            raise ConnectionResetError("the broker closed the connection at once")
        # A press is one small packet: waiting for the acknowledgement of the previous one would delay it.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._attached = opened
        self._loop.add_reader(opened, client.loop_read)
        if client.want_write():
            self._loop.add_writer(opened, client.loop_write)

    def _let_go(self) -> None:
        self.up.clear()
        client, self._client = self._client, None
        if self._attached is not None:
            self._socket_closes(client, None, self._attached)
            self._attached.close()
            self._attached = None
        waiting, self._acks = self._acks, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(LinkDown("the connection was lost"))

    # --- paho's callbacks, all on the event loop's thread but for those during `connect`

    def _wants_write(self, client: paho.Client, _data: Any, opened: Any) -> None:
        if self._attached is opened:
            self._loop.add_writer(opened, client.loop_write)

    def _wants_no_write(self, _client: paho.Client, _data: Any, opened: Any) -> None:
        if self._attached is opened:
            self._loop.remove_writer(opened)

    def _socket_closes(self, _client: Any, _data: Any, opened: Any) -> None:
        if self._attached is opened and opened.fileno() >= 0:
            self._loop.remove_reader(opened)
            self._loop.remove_writer(opened)

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._end(f"the broker refused the connection: {reason}")
        elif self._read is None:
            self._is_up()
        else:
            client.subscribe(self._read, qos=1)

    def _granted(self, _client: paho.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = [reason for reason in reasons if reason.is_failure]
        if refused:
            self._end(f"the broker refused to let {self.login.username} read {self._read}: {refused[0]}")
        else:
            self._is_up()

    def _is_up(self) -> None:
        self.connects += 1
        self.last_failure = None
        self.up.set()
        if self._on_up is not None:
            self._on_up()

    def _received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if self._on_message is not None:
            properties = message.properties
            correlation = getattr(properties, "CorrelationData", None) if properties is not None else None
            self._on_message(Incoming(message.topic, bytes(message.payload), correlation))

    def _acknowledged(self, _client: paho.Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        done = self._acks.pop(mid, None)
        if done is None or done.done():
            return
        if reason is not None and reason.is_failure:
            done.set_exception(LinkDown(f"the broker refused the message: {reason}"))
        else:
            done.set_result(None)

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._end(f"connection lost: {reason}")

    def _end(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)
