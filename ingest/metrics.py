"""What an ingest worker measures of itself, for Prometheus."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_LAG = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900)
_COMMIT = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_BATCH = (1, 2, 5, 10, 50, 100, 500, 1000, 2000, 5000)


class IngestMetrics:
    """One set a process; labels `lane` alarm, telemetry, and for events also control."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._outcomes(registry)
        self._in_hand(registry)
        self._database(registry)
        self._links(registry)
        self._spool(registry)
        self._broker(registry)

    def _outcomes(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "anxin_ingest_events_total",
            "Events committed, by what became of them; received is their sum.",
            ["lane", "outcome"],
            registry=registry,
        )
        self.rejected = Counter(
            "anxin_ingest_rejected_total", "Rejected events by reason.", ["lane", "reason"], registry=registry
        )
        self.flooding = Gauge(
            "anxin_ingest_flooding_devices",
            "Devices above their rate for so long that their excess is no accident.",
            registry=registry,
        )

    def _in_hand(self, registry: CollectorRegistry) -> None:
        self.in_flight = Gauge(
            "anxin_ingest_in_flight_events",
            "Events taken in hand and not yet acknowledged, counted one by one.",
            ["lane"],
            registry=registry,
        )
        self.unacknowledged = Gauge(
            "anxin_ingest_unacknowledged_messages",
            "QoS 1 messages received and not yet acknowledged.",
            ["lane"],
            registry=registry,
        )
        self.oldest = Gauge(
            "anxin_ingest_oldest_unprocessed_seconds",
            "Age of the oldest message received and not yet committed.",
            ["lane"],
            registry=registry,
        )

    def _database(self, registry: CollectorRegistry) -> None:
        self.batch = Histogram(
            "anxin_ingest_batch_events", "Events in a batch.", ["lane"], buckets=_BATCH, registry=registry
        )
        self.commit = Histogram(
            "anxin_ingest_commit_seconds",
            "Time of a batch in the database, commit included.",
            ["lane"],
            buckets=_COMMIT,
            registry=registry,
        )
        self.lag = Histogram(
            "anxin_ingest_lag_seconds",
            "Time from receipt to commit of the oldest message of each batch.",
            ["lane"],
            buckets=_LAG,
            registry=registry,
        )
        self.retries = Counter(
            "anxin_ingest_retries_total",
            "Batches kept and tried again because the database did not take them.",
            ["lane"],
            registry=registry,
        )

    def _links(self, registry: CollectorRegistry) -> None:
        self.receipts = Counter(
            "anxin_ingest_receipts_total",
            "Receipts: sent, unsent (no link), ignored (foreign response topic).",
            ["result"],
            registry=registry,
        )
        self.connected = Gauge(
            "anxin_ingest_broker_connected", "1 while the lane's MQTT session is up.", ["lane"], registry=registry
        )
        self.commands = Counter(
            "anxin_ingest_commands_total", "Commands to devices: sent, expired.", ["result"], registry=registry
        )

    def _spool(self, registry: CollectorRegistry) -> None:
        self.spool_messages = Gauge(
            "anxin_spool_messages", "Messages in the spool, counted from its files.", ["lane"], registry=registry
        )
        self.spool_bytes = Gauge("anxin_spool_bytes", "Size of the spool's files.", ["lane"], registry=registry)
        self.spool_oldest = Gauge(
            "anxin_spool_oldest_seconds", "Age of the oldest message in the spool.", ["lane"], registry=registry
        )
        self.spool_full = Gauge(
            "anxin_spool_full",
            "1 while the spool takes nothing: messages wait at the broker, unacknowledged.",
            ["lane"],
            registry=registry,
        )
        self.spool_appended = Counter(
            "anxin_spool_appended_total", "Messages written to the spool.", ["lane"], registry=registry
        )
        self.spool_drained = Counter(
            "anxin_spool_drained_total", "Messages of the spool that are in the database.", ["lane"], registry=registry
        )
        self.spool_damaged = Counter(
            "anxin_spool_damaged_total",
            "Stretches of spool files that could not be read.",
            ["lane"],
            registry=registry,
        )
        self.unaccounted = Gauge(
            "anxin_ingest_unaccounted_messages",
            "Messages taken from the session that are neither settled, held, waiting nor spooled: always 0.",
            ["lane"],
            registry=registry,
        )

    def _broker(self, registry: CollectorRegistry) -> None:
        self.broker_dropped = Gauge(
            "anxin_broker_dropped_messages", "Messages the broker has dropped since its start.", registry=registry
        )
        self.broker_stored = Gauge("anxin_broker_stored_messages", "Messages the broker holds.", registry=registry)
        self.broker_clients = Gauge("anxin_broker_clients_connected", "Clients of the broker.", registry=registry)
        self.broker_heap = Gauge("anxin_broker_heap_bytes", "Memory the broker has taken.", registry=registry)
