"""What a lane is made of, from the settings: session, inbox, connections, spool, drainer."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from core.contract.event import Micros
from core.contract.event_time import SECOND
from core.runtime.clock import Clock
from core.runtime.mqtt import BrokerAddress, Message, MqttSession
from ingest.classify import SeenKeys
from ingest.database import LaneDatabase
from ingest.drain import Drainer
from ingest.emergency_writer import EmergencyWriter
from ingest.inbox import Inbox
from ingest.lane import Lane, LaneLimits
from ingest.limits import RateLimits
from ingest.metrics import IngestMetrics
from ingest.partition import Partition
from ingest.registry_view import RegistryView
from ingest.settings import IngestSettings
from ingest.settle import Settler
from ingest.spool import Spool, SpoolLimits
from ingest.writer import Writer

_RECEIPTS_LIMIT = 50_000
# A connection that broke while it was idle, or a deadlock, deserves one more attempt; an emergency waits no longer.
_ALARM_PATIENCE_S = 0.2
# Alarms may take a part of what telemetry must leave free: a handful of them is worth more than the reserve.
_ALARM_SHARE_OF_FREE = 10
# Small beside the age at which a batch closes; at 12,000 messages a second a chunk has a hundred of them then.
_READ_PAUSE_S = 0.01
# A state may be so old; the shortest silence that is an alert is 90 s.
_HOLD: Micros = 2 * SECOND


@dataclass(frozen=True, slots=True)
class LaneParts:
    """Builds the two lanes of one worker; what must be closed at the end goes on `stack`."""

    settings: IngestSettings
    broker: BrokerAddress
    metrics: IngestMetrics
    clock: Clock
    view: RegistryView
    stack: AsyncExitStack
    seen: SeenKeys = field(default_factory=SeenKeys)

    def lane(self, name: str, *, emergency: bool) -> Lane:
        settings = self.settings
        inbox = Inbox(
            size=settings.ingest_batch_max_events,
            age_s=0 if emergency else settings.ingest_batch_max_age_ms / 1000,
            overflow_bytes=settings.ingest_overflow_bytes,
        )
        limits = LaneLimits(
            name,
            settings.ingest_batch_max_events,
            settings.ingest_alarm_retry_max_seconds if emergency else settings.ingest_retry_max_seconds,
            _ALARM_PATIENCE_S if emergency else settings.ingest_spool_after_seconds,
        )
        # Closed in reverse: the spool last, because until then something may still have to go into it.
        spool = self._spool(name, emergency=emergency)
        session = self.session(name, inbox)
        return Lane(
            limits,
            inbox=inbox,
            session=session,
            registry=self.view,
            settler=self._settler(name, name, emergency=emergency, hold=0 if emergency else _HOLD),
            spool=spool,
            rates=self._rates(),
            metrics=self.metrics,
            clock=self.clock,
        )

    def drainer(self, lane: Lane, *, emergency: bool, after: Drainer | None = None) -> Drainer:
        return Drainer(
            lane,
            self._settler(lane.limits.name, f"{lane.limits.name} drain", emergency=emergency),
            worker=self.settings.ingest_worker,
            registry=self.view,
            clock=self.clock,
            after=after,
        )

    def session(self, name: str, inbox: Inbox | None) -> MqttSession:
        settings = self.settings
        expiry, maximum = {
            "alarm": (settings.ingest_alarm_session_expiry_seconds, settings.ingest_alarm_receive_maximum),
            "telemetry": (settings.ingest_telemetry_session_expiry_seconds, settings.ingest_telemetry_receive_maximum),
            "downlink": (0, 10),
        }[name]
        session = MqttSession(
            self.broker,
            client_id=f"{settings.ingest_client_id_prefix}-{settings.ingest_worker}-{name}",
            on_messages=self._handler(name, inbox, lambda others: session.ack(others)),
            session_expiry_s=expiry,
            receive_maximum=maximum,
            keep_alive_s=settings.mqtt_keep_alive_seconds,
            clock=lambda: self.clock.now().timestamp(),
            outgoing_limit=_RECEIPTS_LIMIT,
            read_pause_s=_READ_PAUSE_S if name == "telemetry" else 0,
        )
        self._at_end(session.close)
        return session

    def _rates(self) -> RateLimits:
        settings = self.settings
        return RateLimits(
            events_per_s=settings.ingest_device_events_per_second,
            burst_events=settings.ingest_device_burst_events,
            flood_s=settings.ingest_flood_seconds,
        )

    def _handler(
        self, name: str, inbox: Inbox | None, others: Callable[[list[Message]], None]
    ) -> Callable[[list[Message]], None] | None:
        settings = self.settings
        if inbox is None or name == "alarm" or settings.ingest_subscription == "shared" or settings.ingest_workers == 1:
            return None if inbox is None else inbox.put
        return Partition(settings.ingest_worker, settings.ingest_workers, ours=inbox.put, others=others).take

    def _settler(self, name: str, title: str, *, emergency: bool, hold: Micros = 0) -> Settler:
        settings = self.settings
        database = LaneDatabase(
            settings.database_url.get_secret_value(),
            name=f"ingest-{settings.ingest_worker} {title}",
            emergency=emergency,
        )
        self._at_end(database.close)
        return Settler(
            name,
            database,
            EmergencyWriter(settings.ingest_worker, seen=self.seen)
            if emergency
            else Writer(settings.ingest_worker, hold=hold),
            self.metrics,
            self.clock,
            settings.ingest_alarm_write_timeout_seconds if emergency else settings.ingest_write_timeout_seconds,
        )

    def _spool(self, name: str, *, emergency: bool) -> Spool:
        settings = self.settings
        share = _ALARM_SHARE_OF_FREE if emergency else 1
        limits = SpoolLimits(
            settings.ingest_spool_max_bytes,
            settings.ingest_spool_segment_bytes,
            settings.ingest_spool_min_free_bytes // share,
        )
        spool = Spool(settings.spool_folder / name, limits)
        self._at_end(spool.close)
        return spool

    def _at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        self.stack.push_async_callback(close)
