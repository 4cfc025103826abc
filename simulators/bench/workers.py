"""Ingest workers in the bench's own hand, in place of the demo's: started, stopped with their sessions kept, frozen."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg

from core.errors import Unavailable
from core.runtime.mqtt import Message, MqttSession
from simulators.bench.processes import alive, child_running, end
from simulators.bench.town import Town

_READY_WITHIN_S = 60.0
_POLL_S = 0.05
_LANES = ("alarm", "telemetry")


class Workers:
    """Workers 1 … n of one town. Numbers are client ids too: a worker that starts again finds its session."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._running: dict[int, asyncio.subprocess.Process] = {}

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._running.values()]

    async def start(self, count: int) -> None:
        """Start workers 1 … count and wait until each has had its first pulse: both lanes are connected."""
        since = datetime.now(UTC)
        for number in range(1, count + 1):
            self._running[number] = await self._spawn(number, count)
        async with asyncio.timeout(_READY_WITHIN_S), await self._connect() as conn:
            while await _pulses(conn, since) < count:
                if gone := [n for n, process in self._running.items() if not alive(process.pid)]:
                    raise Unavailable(f"Ingest worker {gone[0]} ended at its start: {self._last_words(gone[0])}")
                await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """Ask all to end; the broker keeps their sessions and queues what comes."""
        self.thaw()
        for process in self._running.values():
            await end(process.pid)
            await process.wait()
        self._running.clear()

    def freeze(self, number: int) -> None:
        self._running[number].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)

    async def forget_sessions(self, count: int) -> None:
        """Let the broker drop what it keeps for stopped workers 1 … count, queues with it."""

        def nothing(messages: list[Message]) -> None:
            """Never called: a clean start has no queue."""

        for number in range(1, count + 1):
            for lane in _LANES:
                session = MqttSession(
                    self._town.platform_url,
                    client_id=f"anxin-ingest-{number}-{lane}",
                    on_messages=nothing,
                    clean_start=True,
                )
                async with session, asyncio.timeout(_READY_WITHIN_S):
                    await session.connected.wait()

    async def _spawn(self, number: int, count: int) -> asyncio.subprocess.Process:
        town = self._town
        with (town.folder / f"ingest-{number}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "anxin", "ingest", "--worker", str(number)),
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "ANXIN_DATABASE_URL": town.ready.database_url,
                    "ANXIN_MQTT_URL": town.platform_url,
                    "ANXIN_INGEST_STATUS_PORT": "0",
                    "ANXIN_INGEST_WORKERS": str(count),
                    "ANXIN_INGEST_SPOOL_DIR": str(town.folder / "spool"),
                },
                start_new_session=True,
            )

    def _last_words(self, number: int) -> str:
        log = self._town.folder / f"ingest-{number}.log"
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return words[-1] if words else "no reason given"

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        return await psycopg.AsyncConnection.connect(self._town.ready.database_url, autocommit=True)


@asynccontextmanager
async def own_workers(town: Town) -> AsyncIterator[Workers]:
    """End the demo's worker (its supervisor sleeps), forget its sessions, and end ours with the block."""
    workers = Workers(town)
    for pid in child_running(town.demo_pid, "anxin", "ingest"):
        await end(pid)
    await workers.forget_sessions(1)
    try:
        yield workers
    finally:
        await workers.stop()


async def _pulses(conn: psycopg.AsyncConnection[tuple[object, ...]], since: datetime) -> int:
    found = await conn.execute(
        "SELECT count(*) FROM component_pulse WHERE component LIKE 'ingest-%%' AND at > %s", (since,)
    )
    row = await found.fetchone()
    return int(str(row[0])) if row else 0
