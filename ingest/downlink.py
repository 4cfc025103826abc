"""Queued commands out to their devices: QoS 1, never retained, gone from the broker when they expire.

A row is claimed, published and marked in one transaction: a worker that dies in between leaves it queued, and the
device, which knows the id, does it once. An expired command is never sent: a lock opened an hour late is no help.
"""

import asyncio
import contextlib
import json
import logging
from datetime import datetime

import psycopg

from core.contract.topics import command_topic
from core.runtime.clock import Clock
from core.runtime.mqtt import Disconnected, MqttSession, OutgoingFull, PublishRefused
from core.runtime.service import wait_or_stop
from core.store.pool import Connection, Pool, is_retryable, listen, transaction
from ingest.metrics import IngestMetrics
from registry import commands

log = logging.getLogger(__name__)

_BATCH = 50
# Short: meanwhile the rows are locked, and a result that already came waits for them with its batch.
_ANSWER_TIMEOUT_S = 2


class Downlink:
    """Woken by NOTIFY, and by itself every `poll_s`."""

    def __init__(
        self, session: MqttSession, pool: Pool, metrics: IngestMetrics, clock: Clock, *, poll_s: float
    ) -> None:
        self._session, self._pool, self._metrics, self._clock, self._poll_s = session, pool, metrics, clock, poll_s

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. With the database or the broker away commands wait, and expire where they are."""
        while not stop.is_set():
            try:
                async with self._pool.connection() as ear:
                    await listen(ear, commands.CHANNEL)
                    try:
                        await self._follow(ear, stop)
                    finally:
                        with contextlib.suppress(psycopg.Error):
                            await ear.execute("UNLISTEN *")
            except (psycopg.Error, OSError) as error:
                if not is_retryable(error):
                    raise
                log.warning("commands wait for the database", extra={"action": "downlink.waiting"})
                await wait_or_stop(stop, self._poll_s)

    async def _follow(self, ear: Connection, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._session.connected.is_set():
                await self._round()
            async for _ in ear.notifies(timeout=self._poll_s, stop_after=1):
                pass

    async def _round(self) -> None:
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            expired = await commands.expire(conn, now)
            self._metrics.commands.labels("expired").inc(expired)
            claimed = await commands.claim_queued(conn, now, _BATCH)
            answers = await asyncio.gather(*(self._send(command, now) for command in claimed))
            sent = [command.id for command, told in zip(claimed, answers, strict=True) if told]
            await commands.mark_sent(conn, sent, now)
        self._metrics.commands.labels("sent").inc(len(sent))

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
