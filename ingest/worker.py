"""One ingest worker put together: two lanes with sessions and connections of their own, and what serves them."""

import asyncio
import logging
from contextlib import AsyncExitStack

import psycopg

from core.contract.topics import ALARM_FILTER, SHARED_FILTERS
from core.runtime.clock import Clock
from core.runtime.mqtt import MqttSession, Subscription, parse_broker_url
from core.runtime.service import Service, wait_or_stop
from core.runtime.status import Check, serve_status
from core.store.migrate import check_schema
from core.store.pool import Pool, is_retryable, make_pool
from ingest.database import LaneDatabase
from ingest.downlink import Downlink
from ingest.inbox import Inbox
from ingest.lane import Lane, LaneLimits
from ingest.metrics import IngestMetrics
from ingest.pulse import Pulse, problem_of
from ingest.registry_view import RegistryView
from ingest.settings import IngestSettings
from ingest.writer import Writer
from registry.directory import DirectoryCache

log = logging.getLogger(__name__)

_RECEIPTS_LIMIT = 50_000
_HELPERS_STOP_S = 2.0


class IngestWorker:
    """Give `run` to `run_service`. It returns after a stop, with everything that was committed acknowledged."""

    def __init__(self, settings: IngestSettings, clock: Clock, metrics: IngestMetrics) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._broker = parse_broker_url(settings.mqtt_url.get_secret_value(), ca_file=settings.mqtt_ca_file)
        self._database_url = settings.database_url.get_secret_value()
        self.lanes: list[Lane] = []
        self._helpers: list[asyncio.Task[None]] = []

    async def run(self, service: Service) -> None:
        """Stops in the order of the data: take nothing more, commit what is in hand, acknowledge, answer, leave."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            pool = make_pool(self._database_url, name="ingest", max_size=settings.database_pool_max_connections)
            await stack.enter_async_context(pool)
            await _database(pool, service.stop)
            directory = DirectoryCache(pool)
            self._helpers.append(service.spawn(directory.run(service.stop), name="directory"))
            view = RegistryView(directory)
            downlink_session = self._session("downlink", None)
            alarm = await self._lane("alarm", view, stack, emergency=True)
            telemetry = await self._lane("telemetry", view, stack, emergency=False)
            self.lanes = [alarm, telemetry]
            await stack.enter_async_context(downlink_session)
            # Before the first message: until then every device would be a stranger.
            await _either(directory.loaded, service.stop)
            if service.stop.is_set():
                await service.cancel()
                return
            working = [
                service.spawn(work, name=f"{lane.limits.name} {name}")
                for lane in self.lanes
                for name, work in (("prepare", lane.prepare()), ("commit", lane.commit()))
            ]
            self._serve(service, pool, downlink_session)
            await alarm.session.subscribe([Subscription(ALARM_FILTER)])
            await telemetry.session.subscribe([Subscription(name) for name in SHARED_FILTERS])
            for lane in self.lanes:
                await lane.session.start()
                self._helpers.append(service.spawn(_watch(lane.session), name=f"{lane.limits.name} session"))
            await service.stop.wait()
            await self._finish(working)
            await service.cancel()

    def _serve(self, service: Service, pool: Pool, downlink_session: MqttSession) -> None:
        settings, stop = self._settings, service.stop
        downlink = Downlink(
            downlink_session, pool, self._metrics, self._clock, poll_s=settings.ingest_downlink_poll_ms / 1000
        )
        pulse = Pulse(settings.ingest_worker, self.lanes, pool, self._metrics, self._clock)
        status = serve_status(
            self._checks(pool), host=settings.ingest_status_host, port=settings.ingest_status_port, stop=stop
        )
        self._helpers += [
            service.spawn(downlink.run(stop), name="downlink"),
            service.spawn(pulse.run(stop), name="pulse"),
            service.spawn(status, name="status"),
        ]

    async def _lane(self, name: str, view: RegistryView, stack: AsyncExitStack, *, emergency: bool) -> Lane:
        settings = self._settings
        inbox = Inbox(
            size=settings.ingest_batch_max_events,
            age_s=0 if emergency else settings.ingest_batch_max_age_ms / 1000,
            overflow_bytes=settings.ingest_overflow_bytes,
        )
        database = LaneDatabase(self._database_url, name=f"ingest-{settings.ingest_worker} {name}", emergency=emergency)
        stack.push_async_callback(database.close)
        limits = LaneLimits(
            name,
            settings.ingest_batch_max_events,
            settings.ingest_alarm_retry_max_seconds if emergency else settings.ingest_retry_max_seconds,
            settings.ingest_write_timeout_seconds,
        )
        session = self._session(name, inbox)
        stack.push_async_callback(session.close)
        return Lane(
            limits,
            inbox=inbox,
            session=session,
            registry=view,
            database=database,
            writer=Writer(settings.ingest_worker, emergency=emergency),
            metrics=self._metrics,
            clock=self._clock,
        )

    def _session(self, name: str, inbox: Inbox | None) -> MqttSession:
        settings = self._settings
        expiry, maximum = {
            "alarm": (settings.ingest_alarm_session_expiry_seconds, settings.ingest_alarm_receive_maximum),
            "telemetry": (settings.ingest_telemetry_session_expiry_seconds, settings.ingest_telemetry_receive_maximum),
            "downlink": (0, 10),
        }[name]
        return MqttSession(
            self._broker,
            client_id=f"{settings.ingest_client_id_prefix}-{settings.ingest_worker}-{name}",
            on_messages=inbox.put if inbox is not None else None,
            session_expiry_s=expiry,
            receive_maximum=maximum,
            keep_alive_s=settings.mqtt_keep_alive_seconds,
            clock=lambda: self._clock.now().timestamp(),
            outgoing_limit=_RECEIPTS_LIMIT,
        )

    def _checks(self, pool: Pool) -> dict[str, Check]:
        async def database() -> str | None:
            async with pool.connection() as conn:
                await conn.execute("SELECT 1")
            return None

        def of(lane: Lane) -> Check:
            async def check() -> str | None:
                return problem_of(lane)

            return check

        return {"database": database, **{lane.limits.name: of(lane) for lane in self.lanes}}

    async def _finish(self, working: list[asyncio.Task[None]]) -> None:
        """What is not committed by the deadline stays unacknowledged: the broker delivers it to the next worker."""
        for lane in self.lanes:
            lane.inbox.close()
        _, late = await asyncio.wait(working, timeout=self._settings.ingest_stop_seconds)
        if late:
            left = sum(lane.in_flight + len(lane.inbox) for lane in self.lanes)
            log.warning("stopping with %d events in hand", left, extra={"action": "ingest.left_in_hand"})
        for lane in self.lanes:
            await lane.session.close()
        await asyncio.wait(self._helpers, timeout=_HELPERS_STOP_S)


async def _watch(session: MqttSession) -> None:
    await asyncio.shield(session.fatal)


async def _database(pool: Pool, stop: asyncio.Event) -> None:
    """Wait until the database is there and of our version: a worker that starts first is no failure."""
    while not stop.is_set():
        try:
            async with pool.connection() as conn:
                await check_schema(conn)
                return
        except (psycopg.Error, OSError) as error:
            if not is_retryable(error):
                raise
            log.warning("waiting for the database", extra={"action": "ingest.waiting"})
        await wait_or_stop(stop, 1)


async def _either(loaded: asyncio.Event, stop: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in (loaded, stop)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
