"""What the history program measures, for Prometheus."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge


class HistoryMetrics:
    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.active = Gauge(
            "anxin_history_active", "1: this program rolls up; 0: it stands by for another.", registry=registry
        )
        self.rolled_up_to = Gauge(
            "anxin_history_rolled_up_to_timestamp_seconds", "Minutes before this are rolled up.", registry=registry
        )
        self.behind = Gauge(
            "anxin_history_behind_seconds", "Age of the newest minute that is rolled up.", registry=registry
        )
        self.dirty = Gauge(
            "anxin_history_dirty_marks", "Marks of late readings that wait (counted to 100,000).", registry=registry
        )
        self.dirty_age = Gauge(
            "anxin_history_dirty_oldest_seconds", "Age of the oldest mark that waits; 0: none.", registry=registry
        )
        self.repaired = Counter(
            "anxin_history_repaired_hours_total", "Hours of one series computed again for late readings.",
            registry=registry,
        )  # fmt: skip
        self.too_late = Counter(
            "anxin_history_too_late_hours_total",
            "Hours with readings that came after the raw readings of their time were dropped.",
            registry=registry,
        )
        self.failures = Counter("anxin_history_failures_total", "Rounds that failed.", registry=registry)
        self.dropped = Counter(
            "anxin_history_dropped_chunks_total", "Chunks dropped by retention.", ["table"], registry=registry
        )
        self.compressed = Counter(
            "anxin_history_compressed_chunks_total", "Chunks of readings compressed.", registry=registry
        )
        self.compression = Gauge(
            "anxin_history_compression_allowed",
            "1: the database's licence allows compression; 0: it does not.",
            registry=registry,
        )
