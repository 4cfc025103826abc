"""Queued commands out to their devices: QoS 1, never retained, gone from the broker when they expire.

A row is claimed, published and marked in one transaction: a worker that dies in between leaves it queued, and the
device, which knows the id, does it once. An expired command is never sent: a lock opened an hour late is no help.
"""

import asyncio
import json
import logging
from datetime import datetime

from core.contract.topics import command_topic
from core.runtime.clock import Clock
from core.runtime.mqtt import Disconnected, MqttSession, OutgoingFull, PublishRefused
from core.store.ear import Ear, follow
from core.store.pool import Connection, Pool, cut_after
from ingest.metrics import IngestMetrics
from registry import commands

log = logging.getLogger(__name__)

_BATCH = 50
# Short: meanwhile the rows are locked, and a result that already came waits for them with its batch.
_ANSWER_TIMEOUT_S = 2
# A round on a half-open connection ends then at both ends: here it is cut, and the server gives its rows free.
_ROUND_S = 10.0


class Downlink:
    """Woken by NOTIFY, and by itself every `poll_s`."""

    def __init__(
        self, session: MqttSession, pool: Pool, metrics: IngestMetrics, clock: Clock, *, poll_s: float
    ) -> None:
        self._session, self._pool, self._metrics, self._clock, self._poll_s = session, pool, metrics, clock, poll_s

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. With the database or the broker away commands wait, and expire where they are."""

        async def work(ear: Ear) -> None:
            while not stop.is_set():
                if self._session.connected.is_set():
                    await self._round()
                await ear.heard(self._poll_s)

        await follow(self._pool, commands.CHANNEL, stop, work, away=_away, pause_s=self._poll_s)

    async def _round(self) -> None:
        now = self._clock.now()
        async with self._pool.connection() as conn:
            with cut_after(conn, _ROUND_S):
                async with conn.transaction():
                    sent = await self._hand_out(conn, now)
        self._metrics.commands.labels("sent").inc(sent)

    async def _hand_out(self, conn: Connection, now: datetime) -> int:
        await commands.free_when_idle(conn, _ROUND_S)
        expired = await commands.expire(conn, now)
        self._metrics.commands.labels("expired").inc(expired)
        claimed = await commands.claim_queued(conn, now, _BATCH)
        answers = await asyncio.gather(*(self._send(command, now) for command in claimed))
        sent = [command.id for command, told in zip(claimed, answers, strict=True) if told]
        await commands.mark_sent(conn, sent, now)
        return len(sent)

    async def _send(self, command: commands.Command, now: datetime) -> bool:
        """Whether the broker has it. A child's command goes to its hub, which is the one that listens."""
        body = {
            "id": str(command.id),
            "type": command.type,
            **({"device": command.device_id} if command.hub_id else {}),
            "params": dict(command.params),
            "expires_at": command.expires_at.isoformat(),
        }
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await self._session.publish(
                    command_topic(command.addressee),
                    json.dumps(body).encode(),
                    message_expiry_s=max(1, int((command.expires_at - now).total_seconds())),
                )
        except (Disconnected, OutgoingFull, PublishRefused, TimeoutError) as error:
            log.warning(
                "a command waits: %s", error, extra={"action": "downlink.unsent", "command_id": str(command.id)}
            )
            return False
        return True


def _away(error: BaseException) -> None:
    log.warning("commands wait for the database: %s", type(error).__name__, extra={"action": "downlink.waiting"})
