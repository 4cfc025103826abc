"""Keeps the broker equal to the table `broker_credential`: a new device gets in, a revoked one is thrown out.

The password file is replaced whole and Mosquitto told to reload it, which also disconnects whoever is not in it any
more. A reload stops the broker's only thread (0.2 s with 100,000 credentials), so changes are collected and two
reloads keep a distance; the sum of the waits stays below the 5 s the contract promises. Mosquitto forgets a SIGHUP
that arrives during a reload, so each one is seen through before the next change is written. Why so: docs/adr/0004.
"""

import asyncio
import logging
import os
from collections.abc import Collection
from pathlib import Path

import psycopg

from core.runtime.mqtt import BrokerAddress, MqttSession
from core.runtime.service import wait_or_stop
from core.store.ear import Ear, follow
from core.store.pool import Connection, Pool, cut_after
from core.store.queries import load_queries
from registry import broker_file, broker_process

log = logging.getLogger(__name__)

CHANNEL = "registry_changed"
_DEBOUNCE_S = 0.3
# 100,000 credentials are read in one; half-open, nobody would be let in or thrown out for ever.
_READ_WAIT_S = 30.0
_TABLES = frozenset({"broker_credential"})
_START_STEP_S = 0.2
_CONFIRM_S = 10.0


class BrokerSync:
    """One broker's password file. `run` it under supervision; one process a file."""

    def __init__(
        self,
        pool: Pool,
        *,
        broker: str | BrokerAddress,
        password_file: Path,
        pid_file: Path,
        keep_users: Collection[str] = ("platform",),
        poll_s: float = 2,
        reload_gap_s: float = 1.5,
    ) -> None:
        self._pool, self._broker = pool, broker
        self._file, self._pid_file, self._keep = password_file, pid_file, frozenset(keep_users)
        self._poll_s, self._gap_s = poll_s, reload_gap_s
        self._fingerprint: tuple[object, ...] | None = None
        self._mark: broker_file.FileMark | None = None
        self._told: broker_process.BrokerProcess | None = None
        self._changed_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Without the database the broker keeps the credentials it has; the sync reconnects for ever.

        Raises OSError when the file cannot be written: nobody could be let in or thrown out, and that must be seen.
        """

        async def work(ear: Ear) -> None:
            await self._follow(ear, stop)

        # Not OSError: a file that cannot be written is no matter of the database.
        await follow(self._pool, CHANNEL, stop, work, away=_away, lost=psycopg.Error)

    async def _follow(self, ear: Ear, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            with cut_after(ear.connection, _READ_WAIT_S):
                told = await self.sync(ear.connection)
            if told:
                await self._see_through()
            wait = self._poll_s if self._settled() else _START_STEP_S
            if await ear.heard(wait, _TABLES):
                gap = self._changed_at + self._gap_s - loop.time()
                await wait_or_stop(stop, max(_DEBOUNCE_S, gap))

    async def sync(self, conn: Connection) -> bool:
        """Make the file equal to the registry and, if any of them had changed, tell the broker; True when told."""
        cursor = await conn.execute(load_queries("registry", "queries_broker.sql")["credentials_fingerprint"])
        fingerprint = await cursor.fetchone()
        if fingerprint != self._fingerprint or broker_file.mark(self._file) != self._mark or self._mark is None:
            await self._write(conn)
            # Of before the read: a change in between is written now and found again at the next look.
            self._fingerprint = fingerprint
        return self._reload()

    async def _write(self, conn: Connection) -> None:
        cursor = await conn.execute(load_queries("registry", "queries_broker.sql")["valid_credentials"])
        credentials: dict[str, str] = dict(await cursor.fetchall())
        before, present = broker_file.mark(self._file), broker_file.read(self._file)
        wanted = broker_file.wanted_text(credentials, present, self._keep)
        self._told = None
        if wanted == present and before is not None:
            self._mark = before
            return
        self._mark = broker_file.replace(self._file, wanted)
        # Counts from here too: a broker that watches the file by itself must be over its reload before the next one.
        self._changed_at = asyncio.get_running_loop().time()
        log.info(
            "password file replaced",
            extra={"action": "broker_sync.written", "credentials": wanted.count("\n")},
        )
        if missing := self._keep - {line.partition(":")[0] for line in wanted.splitlines()}:
            log.error(
                "the broker will refuse a part of the platform: no password of it is known",
                extra={"action": "broker_sync.user_missing", "users": sorted(missing)},
            )

    def _reload(self) -> bool:
        """Once for each life of the broker after each change: a broker that starts may have read the file before."""
        broker = broker_process.find(self._pid_file)
        if broker is None or broker == self._told or not broker_process.reload(broker, self._pid_file):
            return False
        self._told = broker
        self._changed_at = asyncio.get_running_loop().time()
        return True

    async def _see_through(self) -> None:
        """Return when the reload is over. The broker has one thread: whoever connects after the SIGHUP may be
        answered in the same turn of its loop, whoever connects after that is answered behind the reload."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(_CONFIRM_S):
                for _ in range(2):
                    async with MqttSession(self._broker, client_id=f"anxin-broker-sync-{os.getpid()}") as session:
                        await session.connected.wait()
        except TimeoutError:
            self._told = None  # it may have lost the signal, or read a file that keeps us out: again
            log.error(  # noqa: TRY400 - a sentence, not a traceback
                "the broker does not let the platform in after a reload", extra={"action": "broker_sync.unsure"}
            )
            return
        took_ms = round((loop.time() - began) * 1000)
        log.info("broker reloaded its credentials", extra={"action": "broker_sync.reloaded", "took_ms": took_ms})

    def _settled(self) -> bool:
        """False while a broker is starting up and cannot be told yet."""
        broker = broker_process.find(self._pid_file)
        return broker is None or broker == self._told


def _away(error: BaseException) -> None:
    log.warning(
        "credentials not followed, the broker keeps those it has: %s",
        type(error).__name__,
        extra={"action": "broker_sync.database_away"},
    )
