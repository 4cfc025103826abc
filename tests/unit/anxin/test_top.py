"""`anxin top` on readings made up of the programs' own metrics."""

import json

from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from alerts.metrics import EngineMetrics
from anxin.top.__main__ import main
from anxin.top.frame import Frame, frame, quantile, rate
from anxin.top.past import CELLS, FRAMES_A_CELL, Past, sparkline
from anxin.top.scrape import Reading, Samples, parse
from anxin.top.show import show
from ingest.metrics import IngestMetrics


def samples(registry: CollectorRegistry) -> Samples:
    return parse(generate_latest(registry).decode())


def test_rates_quantiles_and_the_drain_are_those_between_two_readings():
    registry = CollectorRegistry()
    ingest = IngestMetrics(registry)
    ingest.events.labels("telemetry", "accepted").inc(1000)
    ingest.commit.labels("telemetry").observe(4.0)
    ingest.spool_drained.labels("telemetry").inc(100)
    before = samples(registry)
    ingest.events.labels("telemetry", "accepted").inc(500)
    for _ in range(100):
        ingest.commit.labels("telemetry").observe(0.015)
    ingest.spool_messages.labels("telemetry").set(600)
    ingest.spool_drained.labels("telemetry").inc(60)
    ingest.broker_dropped.set(7)
    shown = frame(Reading(10, {"ingest-1": before}), Reading(12, {"ingest-1": samples(registry), "api": None}))
    [_, telemetry] = shown["ingest"]
    assert telemetry["per_s"]["accepted"] == 250
    assert (telemetry["commit_p50_s"], telemetry["commit_p99_s"]) == (0.02, 0.02)
    assert telemetry["empty_in_s"] == 600 / 30
    assert shown["broker"]["dropped"] == 7
    assert shown["parts"] == {"ingest-1": True, "api": False}
    console = Console(width=200, record=True)
    console.print(show(shown))
    text = console.export_text()
    assert "api: no answer" in text and "dropped 7" in text and "database: not asked" in text


def test_a_counter_that_fell_began_again_and_nothing_measured_has_no_quantile():
    key = ("n_total", ())
    assert rate({key: 100.0}, {key: 30.0}, "n_total", 2) == 15
    assert quantile({}, {}, "anxin_ingest_commit_seconds", 0.99, lane="alarm") is None


def test_live_alerts_and_the_oldest_that_nobody_took_are_the_largest_of_all_engines():
    readings = {}
    for number in (1, 2):
        registry = CollectorRegistry()
        engine = EngineMetrics(registry)
        engine.live.labels("p0").set(number)
        engine.oldest.labels("p0").set(90 * number)
        engine.troubles.labels("platform_disk").set(1)
        readings[f"engine-{number}"] = samples(registry)
    shown = frame(Reading(0, {}), Reading(1, readings))
    assert shown["alerts"]["p0"] == {"live": 2, "oldest_unacknowledged_s": 180}
    assert shown["engine"][0]["troubles"] == {"platform_disk": 1}


def second(number: int, *, per_s: float, megabytes: float) -> Frame:
    """A frame whose one worker received so much in the second before."""
    received = ("anxin_ingest_events_total", (("lane", "telemetry"), ("outcome", "received")))
    memory = ("process_resident_memory_bytes", ())
    before: Samples = {received: 1000.0}
    now: Samples = {received: 1000.0 + per_s, memory: megabytes * 1e6}
    return frame(Reading(number, {"ingest-1": before}), Reading(number + 1, {"ingest-1": now}))


def test_the_last_minutes_keep_the_peak_of_each_cell_and_forget_what_is_older():
    past = Past()
    for number in range(FRAMES_A_CELL):
        past.add(second(number, per_s=9000 if number == 2 else 100, megabytes=80 + number))
    past.add(second(9, per_s=200, megabytes=60))
    assert past.series("per_s") == [9000, 200]
    assert past.series("megabytes") == [84, 60]
    for number in range(CELLS * FRAMES_A_CELL):
        past.add(second(number, per_s=50, megabytes=60))
    assert past.series("per_s") == [50] * CELLS


def test_a_minute_in_which_nobody_answered_is_not_a_minute_in_which_nothing_came():
    past = Past()
    past.add(frame(Reading(0, {}), Reading(1, {"ingest-1": None})))
    assert past.series("per_s") == [None]
    assert sparkline([None, 0.0, 1.0, 50.0, 100.0]) == "·▁▁▅█"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([]) == ""


def test_the_last_minutes_stand_below_the_moment_with_their_newest_and_their_largest():
    past = Past()
    for number, per_s in enumerate([9000.0] * FRAMES_A_CELL + [300.0]):
        past.add(second(number, per_s=per_s, megabytes=96))
    console = Console(width=200, record=True)
    console.print(show(second(0, per_s=300, megabytes=96), past))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["received/s", "█▁", "300", "9,000"] in lines
    assert ["oldest", "··", "-", "-"] in lines
    assert ["worker", "MB", "██", "96", "96"] in lines


def test_parts_that_do_not_answer_are_named_and_the_command_ends_with_1(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("ANXIN_DATABASE_URL", raising=False)
    words = ["--once", "--data-dir", str(tmp_path), "--part", "ingest-1=http://127.0.0.1:1"]
    assert main(words) == 1
    assert "ingest-1: no answer" in capsys.readouterr().out
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["parts"] == {"ingest-1": False}
