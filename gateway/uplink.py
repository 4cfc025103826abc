"""The uplink of a hub: publishes events under its own device id and holds them until the platform's receipt.

A PUBACK is the broker's word only; the receipt comes after the database commit (contract §1, Receipts). What got no
receipt is sent again under the same event ids, and the platform drops what it already has.
"""

import json
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from core.domain.event_types import EVENT_TYPE_BY_NAME, Lane
from core.errors import Unavailable

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform's word on one message; `rejected` holds (index or None, reason code)."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[int | None, str], ...]
    server_time: str

    @classmethod
    def parse(cls, payload: bytes | bytearray) -> "Receipt":
        body = json.loads(payload)
        rejected = tuple((item["index"], item["reason"]) for item in body["rejected"])
        return cls(body["accepted"], body["duplicate"], rejected, body["server_time"])


@dataclass(frozen=True, slots=True)
class Identity:
    """Who publishes, and where."""

    device_id: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 1883
    ca_file: str | None = None


def lane_of(event: Event) -> Lane:
    """The lane an event belongs on; an unknown type goes as telemetry, where the platform names what is wrong."""
    known = EVENT_TYPE_BY_NAME.get(str(event.get("type")))
    return known.lane if known else Lane.TELEMETRY


class Uplink:
    """A connected hub. Use as a context manager; `send` may be called from any thread."""

    def __init__(self, identity: Identity, *, resend_after_s: float = 5.0) -> None:
        self.identity = identity
        self.resend_after_s = resend_after_s
        self._receipt_topic = f"anxin/v1/{identity.device_id}/down/receipt"
        self._waiting: dict[bytes, tuple[threading.Event, list[Receipt]]] = {}
        self._ready = threading.Event()
        self._refusal: str | None = None
        self._client = self._make_client()

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"uplink-{self.identity.device_id}", protocol=mqtt.MQTTv5
        )
        client.username_pw_set(self.identity.device_id, self.identity.password)
        if self.identity.ca_file:
            client.tls_set(ca_certs=self.identity.ca_file, cert_reqs=ssl.CERT_REQUIRED)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 30)
        return client

    def __enter__(self) -> "Uplink":
        try:
            self._client.connect(self.identity.host, self.identity.port, clean_start=True)
        except OSError as error:
            where = f"{self.identity.host}:{self.identity.port}"
            raise Unavailable(f"The broker at {where} does not answer: {error.strerror or error}.") from error
        self._client.loop_start()
        if not self._ready.wait(10) or self._refusal:
            self._client.loop_stop()
            raise Unavailable(self._refusal or "The broker did not take the subscription for receipts.")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: mqtt.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._refusal = f"The broker refused {self.identity.device_id}: {reason}. Check its id and password."
            self._ready.set()
            return
        client.subscribe(self._receipt_topic, qos=1)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        waiting = self._waiting.get(correlation) if correlation is not None else None
        if waiting is not None:
            arrived, receipts = waiting
            receipts.append(Receipt.parse(message.payload))
            arrived.set()

    def send(self, events: Sequence[Event], lane: Lane, *, within_s: float = 60.0) -> Receipt:
        """Publish one message on one lane and wait for its receipt, sending it again while none comes.

        Events without an id get one first, so that a repetition can't double them. Raises Unavailable when no
        receipt came within `within_s` seconds: the events may or may not be stored and are safe to send again.
        """
        named = [event if "id" in event else {**event, "id": str(uuid4())} for event in events]
        payload = json.dumps({"events": named}, ensure_ascii=False).encode()
        correlation = uuid4().bytes
        arrived, receipts = self._waiting.setdefault(correlation, (threading.Event(), []))
        deadline = time.monotonic() + within_s
        try:
            while time.monotonic() < deadline:
                self._publish(lane, payload, correlation)
                if arrived.wait(min(self.resend_after_s, max(0.0, deadline - time.monotonic()))):
                    return receipts[0]
        finally:
            del self._waiting[correlation]
        raise Unavailable(f"No receipt within {within_s:g} s; send the same events again.")

    def _publish(self, lane: Lane, payload: bytes, correlation: bytes) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic = self._receipt_topic
        properties.CorrelationData = correlation
        topic = f"anxin/v1/{self.identity.device_id}/up/{lane.value}"
        self._client.publish(topic, payload, qos=1, properties=properties)
