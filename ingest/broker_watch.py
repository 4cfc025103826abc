"""What the broker says of itself: above all how many messages it has dropped, which no publisher is ever told.

Mosquitto publishes these every few seconds, retained. Another broker may not: then nothing is known, and nothing said.
The count begins again with each start of the broker; who reads it must expect that (alerts/platform/checks.py).
"""

import asyncio
from collections.abc import Mapping

from core.runtime.mqtt import BrokerAddress, Message, MqttSession, Subscription
from ingest.metrics import IngestMetrics

_DROPPED = "$SYS/broker/publish/messages/dropped"
_STORED = "$SYS/broker/store/messages/count"
_CLIENTS = "$SYS/broker/clients/connected"
_HEAP = "$SYS/broker/heap/current"
_SECONDS_TO_LEAVE = 0.2


class BrokerWatch:
    """A session of its own, so that neither lane ever waits for it. `dropped` None: not known."""

    def __init__(self, broker: BrokerAddress, client_id: str, metrics: IngestMetrics, *, keep_alive_s: int) -> None:
        self.dropped: int | None = None
        self._gauges = {
            _DROPPED: metrics.broker_dropped,
            _STORED: metrics.broker_stored,
            _CLIENTS: metrics.broker_clients,
            _HEAP: metrics.broker_heap,
        }
        self._session = MqttSession(
            broker, client_id=client_id, on_messages=self._hear, receive_maximum=20, keep_alive_s=keep_alive_s
        )

    async def run(self, stop: asyncio.Event) -> None:
        # Handling 0: the last value was published before we came.
        await self._session.subscribe([Subscription(topic, qos=0, retain_handling=0) for topic in self._gauges])
        await self._session.start()
        try:
            await stop.wait()
        finally:
            await self._session.close(drain_s=_SECONDS_TO_LEAVE)

    def told(self) -> Mapping[str, int | None]:
        """For the pulse."""
        return {"broker_dropped": self.dropped if self._session.connected.is_set() else None}

    def _hear(self, messages: list[Message]) -> None:
        for message in messages:
            gauge, text = self._gauges.get(message.topic), message.payload.decode("ascii", errors="replace")
            if gauge is None or not text.isdecimal():
                continue
            gauge.set(int(text))
            if message.topic == _DROPPED:
                self.dropped = int(text)
        self._session.ack(messages)
