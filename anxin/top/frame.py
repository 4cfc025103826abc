"""From two readings to what is shown: rates, quantiles, an estimate of the drain. Pure; a frame is JSON-ready."""

from collections.abc import Iterable, Mapping
from typing import Any

from anxin.top.scrape import Labels, Reading, Samples

OUTCOMES = ("received", "accepted", "duplicate", "echo", "rejected", "ignored")
LANES = ("alarm", "telemetry")
SEVERITIES = ("p0", "p1", "p2", "p3")

Frame = dict[str, Any]


def frame(before: Reading, now: Reading) -> Frame:
    seconds = max(1e-6, now.at - before.at)
    answering = [(name, samples) for name, samples in now.parts.items() if samples is not None]

    def old(name: str) -> Samples:
        return before.parts.get(name) or {}

    return {
        "parts": {name: samples is not None for name, samples in now.parts.items()},
        "ingest": [
            _lane(name, lane, old(name), samples, seconds)
            for name, samples in answering
            if name.startswith("ingest")
            for lane in LANES
        ],
        "broker": _broker([samples for name, samples in answering if name.startswith("ingest")]),
        "engine": [_engine(name, old(name), samples) for name, samples in answering if name.startswith("engine")],
        "alerts": _alerts([samples for name, samples in answering if name.startswith("engine")]),
        "api": [_api(name, old(name), samples, seconds) for name, samples in answering if name.startswith("api")],
        "resident_bytes": {name: value(samples, "process_resident_memory_bytes") for name, samples in answering},
        "database": None if now.database is None else dict(now.database),
        "asked_database": now.asked_database,
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


def rate(before: Samples, now: Samples, name: str, seconds: float, **labels: str) -> float:
    """Growth a second; a counter that fell began again with its process."""
    newer = value(now, name, **labels) or 0.0
    older = value(before, name, **labels) or 0.0
    return (newer - older if newer >= older else newer) / seconds


def quantile(before: Samples, now: Samples, name: str, q: float, **labels: str) -> float | None:
    """Seconds, the upper bound of the bucket that holds it; of the time between the readings if anything was measured
    then, else since the start. None: nothing was measured."""
    wanted = set(labels.items())

    def buckets(samples: Samples) -> dict[float, float]:
        found: dict[float, float] = {}
        for (sample, of), count in samples.items():
            if sample == f"{name}_bucket" and wanted <= set(of):
                edge = float(dict(of)["le"])
                found[edge] = found.get(edge, 0.0) + count
        return found

    total, older = buckets(now), buckets(before)
    lately = {edge: count - older.get(edge, 0.0) for edge, count in total.items()}
    counts = lately if lately.get(float("inf"), 0.0) > 0 else total
    wanted_count = q * counts.get(float("inf"), 0.0)
    if not wanted_count:
        return None
    finite = [edge for edge in sorted(counts) if edge != float("inf")]
    return next((edge for edge in finite if counts[edge] >= wanted_count), finite[-1] if finite else None)


def _lane(name: str, lane: str, before: Samples, now: Samples, seconds: float) -> Frame:
    spooled = value(now, "anxin_spool_messages", lane=lane)
    drained = rate(before, now, "anxin_spool_drained_total", seconds, lane=lane)
    growth = rate(before, now, "anxin_spool_appended_total", seconds, lane=lane)
    return {
        "part": name,
        "lane": lane,
        "connected": value(now, "anxin_ingest_broker_connected", lane=lane) == 1,
        "per_s": {
            outcome: rate(before, now, "anxin_ingest_events_total", seconds, lane=lane, outcome=outcome)
            for outcome in OUTCOMES
        },
        "in_flight": value(now, "anxin_ingest_in_flight_events", lane=lane),
        "waiting": value(now, "anxin_ingest_unacknowledged_messages", lane=lane),
        "oldest_s": value(now, "anxin_ingest_oldest_unprocessed_seconds", lane=lane),
        "commit_p50_s": quantile(before, now, "anxin_ingest_commit_seconds", 0.5, lane=lane),
        "commit_p99_s": quantile(before, now, "anxin_ingest_commit_seconds", 0.99, lane=lane),
        "spool_messages": spooled,
        "spool_bytes": value(now, "anxin_spool_bytes", lane=lane),
        "spool_full": value(now, "anxin_spool_full", lane=lane) == 1,
        "drained_per_s": drained,
        "empty_in_s": spooled / (drained - growth) if spooled and drained > growth else None,
    }


def _broker(workers: Iterable[Samples]) -> Frame:
    """Every worker hears the same: the largest is the newest."""
    names = {
        "dropped": "anxin_broker_dropped_messages",
        "stored": "anxin_broker_stored_messages",
        "clients": "anxin_broker_clients_connected",
        "heap_bytes": "anxin_broker_heap_bytes",
    }
    known = list(workers)
    return {
        word: max((found for each in known if (found := value(each, name)) is not None), default=None)
        for word, name in names.items()
    }


def _engine(name: str, before: Samples, now: Samples) -> Frame:
    return {
        "part": name,
        "cycle_p50_s": quantile(before, now, "anxin_engine_round_seconds", 0.5, module="deadlines"),
        "cycle_p99_s": quantile(before, now, "anxin_engine_round_seconds", 0.99, module="deadlines"),
        "failures": sum(v for (sample, _), v in now.items() if sample == "anxin_engine_failures_total"),
        "alert_p99_s": quantile(before, now, "anxin_alert_latency_seconds", 0.99),
        "troubles": {_label(of, "rule"): v for (s, of), v in now.items() if s == "anxin_platform_troubles" and v},
        "differences": value(now, "anxin_accounting_differences"),
    }


def _label(labels: Labels, name: str) -> str:
    return dict(labels).get(name, "")


def _alerts(engines: Iterable[Samples]) -> Mapping[str, Frame]:
    """Engines count the same alerts."""
    known = list(engines)

    def most(name: str, severity: str) -> float:
        return max((value(each, name, severity=severity) or 0.0 for each in known), default=0.0)

    return {
        severity: {
            "live": most("anxin_alerts_live", severity),
            "oldest_unacknowledged_s": most("anxin_alerts_oldest_unacknowledged_seconds", severity),
        }
        for severity in SEVERITIES
    }


def _api(name: str, before: Samples, now: Samples, seconds: float) -> Frame:
    return {
        "part": name,
        "sockets": value(now, "anxin_live_sockets"),
        "frames_per_s": rate(before, now, "anxin_live_frames_total", seconds),
        "frame_p99_s": quantile(before, now, "anxin_live_frame_delay_seconds", 0.99),
        "provisional": value(now, "anxin_emergency_provisional_alerts"),
        "database_away": value(now, "anxin_emergency_database_away") == 1,
    }
