"""One ingest worker put together: two lanes with sessions and connections of their own, and what serves them."""

import asyncio
import logging
import os
from contextlib import AsyncExitStack, suppress

import psycopg

from core.contract.topics import ALARM_FILTER, SHARED_FILTERS, TELEMETRY_FILTERS
from core.runtime.clock import Clock
from core.runtime.mqtt import MqttSession, Subscription, parse_broker_url
from core.runtime.service import Service
from core.runtime.status import Check, serve_status
from core.store.migrate import check_schema
from core.store.pool import Pool, is_retryable, make_pool
from ingest.broker_watch import BrokerWatch
from ingest.downlink import Downlink
from ingest.drain import Drainer
from ingest.lane import Lane
from ingest.lane_parts import LaneParts
from ingest.metrics import IngestMetrics
from ingest.pulse import Pulse, problem_of
from ingest.registry_view import RegistryView
from ingest.settings import IngestSettings
from ingest.sharing import Sharing
from ingest.spool_disk import hold
from ingest.waiting import any_of
from registry.directory import DirectoryCache

log = logging.getLogger(__name__)

_HELPERS_STOP_S = 2.0
# How long a start waits for the database before it goes on without: an SOS that comes now must be on disk soon.
_DATABASE_AT_START_S = 3.0


class IngestWorker:
    """Give `run` to `run_service`. It returns after a stop, with everything committed or on disk acknowledged."""

    def __init__(self, settings: IngestSettings, clock: Clock, metrics: IngestMetrics) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._broker = parse_broker_url(settings.mqtt_url.get_secret_value(), ca_file=settings.mqtt_ca_file)
        self._database_url = settings.database_url.get_secret_value()
        self.lanes: list[Lane] = []
        self._drains: list[Drainer] = []
        self._helpers: list[asyncio.Task[None]] = []
        self._draining: list[asyncio.Task[None]] = []

    async def run(self, service: Service) -> None:
        """Stops in the order of the data: take nothing more, commit what is in hand, acknowledge, answer, leave."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            stack.callback(_let_go, hold(settings.spool_folder))
            pool = make_pool(self._database_url, name="ingest", max_size=settings.database_pool_max_connections)
            await stack.enter_async_context(pool)
            directory = DirectoryCache(pool)
            self._helpers.append(service.spawn(directory.run(service.stop), name="directory"))
            parts = LaneParts(settings, self._broker, self._metrics, self._clock, RegistryView(directory), stack)
            downlink_session = parts.session("downlink", None)
            alarm, telemetry = self.lanes = [
                parts.lane("alarm", emergency=True),
                parts.lane("telemetry", emergency=False),
            ]
            first = parts.drainer(alarm, emergency=True)
            self._drains = [first, parts.drainer(telemetry, emergency=False, after=first)]
            await self._open_spools()
            await self._look_for_database(pool, directory, service.stop)
            await downlink_session.start()
            working = [
                service.spawn(work, name=f"{lane.limits.name} {name}")
                for lane in self.lanes
                for name, work in (("prepare", lane.prepare()), ("commit", lane.commit()))
            ]
            pulse = self._serve(service, pool, downlink_session)
            await alarm.session.subscribe([Subscription(ALARM_FILTER)])
            filters = SHARED_FILTERS if settings.ingest_subscription == "shared" else TELEMETRY_FILTERS
            await telemetry.session.subscribe([Subscription(name) for name in filters])
            for lane in self.lanes:
                await lane.session.start()
                self._helpers.append(service.spawn(_watch(lane.session), name=f"{lane.limits.name} session"))
            await service.stop.wait()
            await self._finish(working, pulse)
            await service.cancel()

    async def _open_spools(self) -> None:
        for lane in self.lanes:
            try:
                await lane.spool.open()
            except OSError as error:
                log.error(  # noqa: TRY400 - a sentence, not a traceback
                    "the spool cannot be read now, it is tried again: %s",
                    error,
                    extra={"action": "ingest.spool_closed", "lane": lane.limits.name},
                )
            if left := lane.spool.numbers.messages:
                log.info(
                    "%d messages of an earlier life are in the spool",
                    left,
                    extra={"action": "ingest.spool_found", "lane": lane.limits.name},
                )

    async def _look_for_database(self, pool: Pool, directory: DirectoryCache, stop: asyncio.Event) -> None:
        """Start straight if it is there and of our version; without it, go on to the spool until it comes.

        Raises SchemaMismatch when it answers and is not ours.
        """
        try:
            async with asyncio.timeout(_DATABASE_AT_START_S):
                async with pool.connection() as conn:
                    await check_schema(conn)
                # Before the first message: until then every device would be a stranger.
                await any_of(directory.loaded, stop)
        except (psycopg.Error, OSError) as error:
            if not is_retryable(error):
                raise
            for lane in self.lanes:
                lane.leave("the database does not answer")

    def _serve(self, service: Service, pool: Pool, downlink_session: MqttSession) -> Pulse:
        settings, stop = self._settings, service.stop
        downlink = Downlink(
            downlink_session, pool, self._metrics, self._clock, poll_s=settings.ingest_downlink_poll_ms / 1000
        )
        broker = BrokerWatch(
            self._broker,
            f"{settings.ingest_client_id_prefix}-{settings.ingest_worker}-watch",
            self._metrics,
            keep_alive_s=settings.mqtt_keep_alive_seconds,
        )
        # A broker that deals out gives the part of one that is away to the others.
        workers = settings.ingest_workers if settings.ingest_subscription == "partitioned" else 0
        pulse = Pulse(settings.ingest_worker, workers, self._drains, broker, pool, self._metrics, self._clock)
        status = serve_status(
            self._checks(pool), host=settings.ingest_status_host, port=settings.ingest_status_port, stop=stop
        )
        self._helpers += [
            service.spawn(downlink.run(stop), name="downlink"),
            service.spawn(broker.run(stop), name="broker watch"),
            service.spawn(pulse.run(stop), name="pulse"),
            service.spawn(self._sharing(pool).run(stop), name="sharing"),
            service.spawn(status, name="status"),
        ]
        self._draining = [
            service.spawn(drain.run(stop), name=f"{drain.lane.limits.name} drain") for drain in self._drains
        ]
        return pulse

    def _sharing(self, pool: Pool) -> Sharing:
        settings, (_, telemetry) = self._settings, self.lanes
        longest_s = settings.ingest_telemetry_session_expiry_seconds
        return Sharing(
            settings.ingest_worker,
            telemetry,
            pool,
            self._metrics,
            self._clock,
            dealt_out=settings.ingest_subscription == "shared",
            longest_s=longest_s,
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

    async def _finish(self, working: list[asyncio.Task[None]], pulse: Pulse) -> None:
        """What is neither committed nor in the spool by the deadline stays unacknowledged: the broker delivers it to
        the next worker."""
        for lane in self.lanes:
            lane.inbox.close()
        _, late = await asyncio.wait(working, timeout=self._settings.ingest_stop_seconds)
        if late:
            left = sum(lane.in_flight + len(lane.inbox) for lane in self.lanes)
            log.warning("stopping with %d events in hand", left, extra={"action": "ingest.left_in_hand"})
        # The drainers end with a batch, and its receipts still go out.
        await asyncio.wait(self._draining, timeout=_HELPERS_STOP_S)
        for lane in self.lanes:
            await lane.session.close()
        await asyncio.wait(self._helpers, timeout=_HELPERS_STOP_S)
        await pulse.last()


async def _watch(session: MqttSession) -> None:
    await asyncio.shield(session.fatal)


def _let_go(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)
