"""What an engine measures, for Prometheus. Each engine counts every alert: read one of them, or the largest."""

from datetime import datetime

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from alerts.store import FeedEvent
from alerts.vocabulary import EventKind

_LATENCY = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
_ROUND = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30)


class EngineMetrics:
    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.opened = Counter(
            "anxin_alerts_opened_total", "Alerts that began to ring.", ["rule", "severity"], registry=registry
        )
        self.events = Counter("anxin_alert_events_total", "Alert events by type.", ["type"], registry=registry)
        self.latency = Histogram(
            "anxin_alert_latency_seconds",
            "Time from the receipt of an event to its committed alert event, as seen by the engine.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.live = Gauge("anxin_alerts_live", "Live alerts.", ["severity"], registry=registry)
        self.oldest = Gauge(
            "anxin_alerts_oldest_unacknowledged_seconds",
            "Age of the oldest alert that nobody has taken; 0 when there is none.",
            ["severity"],
            registry=registry,
        )
        self.round = Histogram(
            "anxin_engine_round_seconds",
            "Time of one round of a module.",
            ["module"],
            buckets=_ROUND,
            registry=registry,
        )
        self.failures = Counter(
            "anxin_engine_failures_total",
            "Rounds of a module that failed or ran too long.",
            ["module"],
            registry=registry,
        )
        self.last_success = Gauge(
            "anxin_engine_last_success_timestamp_seconds", "When a module last ended a round well.", ["module"],
            registry=registry,
        )  # fmt: skip
        self.troubles = Gauge(
            "anxin_platform_troubles", "Parts of the platform in trouble, by rule.", ["rule"], registry=registry
        )
        self.differences = Gauge(
            "anxin_accounting_differences", "Sums of the accounting that do not close.", registry=registry
        )

    def observe(self, event: FeedEvent, now: datetime) -> None:
        self.events.labels(event.type).inc()
        if event.type == EventKind.OPENED:
            self.opened.labels(event.alert["rule"], event.alert["severity"]).inc()
        if event.actor_kind in ("device", "elder"):
            received = datetime.fromisoformat(event.detail["received_at"])
            self.latency.observe(max(0.0, (now - received).total_seconds()))
