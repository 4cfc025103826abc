"""What rings about the platform itself, judged of invented pulses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.platform import probes
from alerts.platform.accounting import LaneTotals, differences, slices
from alerts.platform.checks import Limits, Memory, Pulse, Verdict, judge
from alerts.platform.findings import Ended, quiet, well_since
from alerts.vocabulary import Severity

NOW = datetime(2026, 5, 4, 2, 40, tzinfo=UTC)
LIMITS = Limits()
WATCHED = Memory(at=NOW - timedelta(seconds=2), judged_from=NOW - timedelta(hours=1))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pulse(component: str, age_s: float = 1, **detail: Any) -> Pulse:
    return Pulse(component, ago(age_s), detail)


def verdicts(*pulses: Pulse, memory: Memory = WATCHED) -> dict[tuple[str, str], Verdict]:
    found, _ = judge(pulses, memory, NOW, LIMITS)
    return {(verdict.rule, verdict.component): verdict for verdict in found}


def severity(rule: str, component: str, *pulses: Pulse, memory: Memory = WATCHED) -> Severity | None:
    return verdicts(*pulses, memory=memory)[f"platform_{rule}", component].severity


@pytest.mark.parametrize(
    ("component", "age_s", "detail", "expected"),
    [
        ("ingest-1", 30, {}, None),
        ("ingest-1", 31, {}, Severity.P1),
        ("engine-2", 31, {}, Severity.P1),
        ("api-host-8080", 31, {}, Severity.P1),
        ("history", 31, {}, Severity.P2),
        ("ingest-1", 3100, {"stopped": True}, None),
    ],
)
def test_a_part_is_silent_after_its_bound_unless_it_said_goodbye(component, age_s, detail, expected):
    assert severity("part_silent", component, pulse(component, age_s, **detail)) is expected


@pytest.mark.parametrize("memory", [Memory(), Memory(at=ago(31), judged_from=ago(9999))])
def test_after_the_platform_itself_was_down_nobody_is_silent_until_the_grace_is_over(memory):
    silent = pulse("ingest-1", 600)
    found, memory = judge([silent], memory, NOW, LIMITS)
    assert found == []
    for second in range(2, 64, 2):
        found, memory = judge([silent], memory, NOW + timedelta(seconds=second), LIMITS)
        assert bool(found) is (second > 60)


def test_what_a_silent_part_said_last_is_not_believed():
    gone = pulse("ingest-1", 31, disk_free_pct=1.0, spool={"alarm": {"messages": 3, "full": True}})
    assert set(verdicts(gone)) == {("platform_part_silent", "ingest-1")}


def test_the_broker_has_dropped_when_its_count_grew_also_across_its_restart():
    def step(memory: Memory, *counts: int | None, at: float) -> tuple[Severity | None, Memory]:
        now = NOW + timedelta(seconds=at)
        parts = [Pulse(f"ingest-{n}", now, {"broker_dropped": count}) for n, count in enumerate(counts)]
        found, memory = judge(parts, memory, now, LIMITS)
        [verdict] = [verdict for verdict in found if verdict.rule == "platform_broker_dropped"]
        return verdict.severity, memory

    said, memory = step(WATCHED, 500, at=0)
    assert said is None, "what was dropped before we looked is no news"
    said, memory = step(memory, 510, 500, at=10)
    assert (said, memory.dropped_by) == (Severity.P1, 10)
    said, memory = step(memory, 500, 510, at=12)
    assert memory.dropped_by == 10, "a worker that hears later is no restart of the broker"
    said, memory = step(memory, 7, 7, at=20)
    assert (said, memory.dropped_by) == (Severity.P1, 17)
    said, memory = step(memory, 7, None, at=620)
    assert said is Severity.P1
    said, memory = step(memory, 7, at=621)
    assert said is None
    said, memory = step(memory, 8, at=622)
    assert (said, memory.dropped_by) == (Severity.P1, 1)


@pytest.mark.parametrize(
    ("telemetry", "expected"),
    [
        ({"messages": 0, "oldest_at": None, "full": False}, None),
        ({"messages": 9, "oldest_at": ago(121).isoformat(), "full": False}, Severity.P2),
        ({"messages": 9, "oldest_at": ago(1).isoformat(), "full": True}, Severity.P1),
    ],
)
def test_a_spool_rings_when_it_is_old_and_louder_when_it_is_full(telemetry, expected):
    alarm = {"messages": 0, "oldest_at": None, "full": False}
    assert severity("spool", "ingest-1", pulse("ingest-1", spool={"alarm": alarm, "telemetry": telemetry})) is expected


def test_a_young_spool_says_neither_that_all_is_well_nor_that_it_is_not():
    young = {"messages": 9, "oldest_at": ago(119).isoformat(), "full": False}
    assert ("platform_spool", "ingest-1") not in verdicts(pulse("ingest-1", spool={"alarm": young}))


@pytest.mark.parametrize(
    ("free", "expected"), [(4.9, "p1"), (5.0, "p2"), (14.9, "p2"), (15.0, "unsaid"), (16.9, "unsaid"), (17.0, None)]
)
def test_disks(free, expected):
    found = verdicts(pulse("engine-1", disk_free_pct=free)).get(("platform_disk", "engine-1"))
    assert ("unsaid" if found is None else found.severity) == expected


@pytest.mark.parametrize(("days", "expected"), [(-1, "p1"), (6.9, "p1"), (7, "p2"), (20.9, "p2"), (21, None)])
def test_certificates_ring_by_the_days_they_have_left_whoever_looked(days, expected):
    good = (NOW + timedelta(days=300)).isoformat()
    mine = {"broker:8883": (NOW + timedelta(days=days)).isoformat()}
    found = verdicts(pulse("engine-1", certificates=mine), pulse("engine-2", certificates={"broker:8883": good}))
    verdict = found["platform_certificate", "certificate-broker:8883"]
    assert verdict.severity == expected
    assert not expected or verdict.value["expired"] is (days < 0)


def test_the_accounting_rings_for_any_engine_and_is_well_when_all_have_gone_around():
    def told(differences: int, complete: bool = True) -> dict[str, Any]:
        return {"differences": differences, "first": "x" if differences else None, "complete": complete}

    def said(*accounts: dict[str, Any]) -> object:
        found = verdicts(*(pulse(f"engine-{n}", accounting=each) for n, each in enumerate(accounts)))
        verdict = found.get(("platform_accounting", "accounting"))
        return "unsaid" if verdict is None else verdict.severity

    assert said(told(1), told(0)) == said(told(0), told(2, complete=False)) == Severity.P1
    assert said(told(0), told(0)) is None
    assert said(told(0), told(0, complete=False)) == said() == "unsaid"
    assert severity("accounting", "ingest-1", pulse("ingest-1", unaccounted=-2)) is Severity.P1
    assert severity("accounting", "ingest-1", pulse("ingest-1", unaccounted=0)) is None


def test_a_state_is_well_since_it_was_first_seen_so_and_not_while_nobody_knows():
    key = ("platform-a", "platform_disk")
    well, bad = Verdict("platform_disk", "a"), Verdict("platform_disk", "a", Severity.P2)
    assert well_since([well], {}, {key}, NOW) == {key: NOW}
    assert well_since([well], {key: ago(9)}, {key}, NOW) == {key: ago(9)}
    assert well_since([bad], {key: ago(9)}, {key}, NOW) == well_since([], {key: ago(9)}, {key}, NOW) == {}
    assert well_since([well], {key: ago(9)}, set(), NOW) == {}


def test_what_a_person_ended_stays_quiet_unless_it_is_worse():
    four_hours = timedelta(hours=4)
    ended = {("platform-a", "platform_disk"): Ended(ago(3600), Severity.P2)}
    assert quiet(Verdict("platform_disk", "a", Severity.P2), ended, four_hours, NOW)
    assert not quiet(Verdict("platform_disk", "a", Severity.P1), ended, four_hours, NOW)
    assert not quiet(Verdict("platform_disk", "b", Severity.P2), ended, four_hours, NOW)
    assert not quiet(Verdict("platform_disk", "a", Severity.P2), ended, timedelta(minutes=59), NOW)


def test_free_space_is_that_of_the_fullest_folder_and_unknown_without_one(tmp_path: Path):
    free = probes.free_pct([tmp_path, tmp_path / "not-there"])
    assert free is not None and 0 <= free <= 100
    assert probes.free_pct([]) is None and probes.free_pct([tmp_path / "not-there"]) is None


def test_a_certificate_file_that_cannot_be_read_is_left_out(tmp_path: Path):
    (tmp_path / "bad.pem").write_text("nonsense")
    assert probes.certificate_ends([tmp_path / "bad.pem", tmp_path / "none.pem"], ["127.0.0.1:1"]) == {}


def lane(name: str = "telemetry", **changes: int) -> LaneTotals:
    sums = dict.fromkeys(
        ("received", "accepted", "duplicate", "echo", "rejected", "ignored", "keys", "dead_letters"), 0
    )
    return LaneTotals(1, name, **{**sums, **changes})


@pytest.mark.parametrize(
    ("totals", "what"),
    [
        (lane(received=5, accepted=3, rejected=2, keys=3, dead_letters=2), None),
        (lane(received=5, accepted=3, rejected=2, keys=5, dead_letters=2), None),
        (lane(received=5, accepted=3, rejected=2, keys=6, dead_letters=2), "keys entered"),
        (lane("alarm", received=5, accepted=3, rejected=2, keys=5, dead_letters=2), None),
        (lane("alarm", received=5, accepted=3, rejected=2, keys=4, dead_letters=2), "keys entered"),
        (lane("control", received=5, accepted=5), None),
        (lane(received=5, accepted=5, keys=5, dead_letters=1), "dead letters written"),
        (lane(received=6, accepted=5, keys=5), "settled"),
    ],
)
def test_counts_close_or_say_what_does_not(totals, what):
    assert [one.what for one in differences([totals])] == ([what] if what else [])


def test_slices_are_whole_minutes_newest_first_and_never_larger_than_the_budget_unless_one_minute_is():
    def minute(n: int) -> datetime:
        return NOW + timedelta(minutes=n)

    booked = [(minute(9), 4), (minute(8), 4), (minute(5), 4), (minute(4), 30), (minute(3), 1)]
    assert list(slices(booked, 10)) == [
        (minute(8), minute(10)), (minute(5), minute(8)), (minute(4), minute(5)), (minute(3), minute(4))
    ]  # fmt: skip
    assert list(slices([], 10)) == []


def test_a_worker_that_others_count_on_is_missed_although_it_was_stopped_as_asked_or_never_started():
    one = pulse("ingest-1", workers=2, started_at=ago(300).isoformat())
    assert severity("part_silent", "ingest-2", one) is Severity.P1, "never started"
    assert severity("part_silent", "ingest-2", one, pulse("ingest-2", 31, stopped=True)) is Severity.P1
    assert severity("part_silent", "ingest-2", one, pulse("ingest-2", 29, stopped=True)) is None, "only restarted"
    young = pulse("ingest-1", workers=2, started_at=ago(5).isoformat())
    assert severity("part_silent", "ingest-2", young) is None, "the two are just being started"
    alone = pulse("ingest-1", workers=1, started_at=ago(300).isoformat())
    assert severity("part_silent", "ingest-2", alone, pulse("ingest-2", 3100, stopped=True)) is None
    silent = pulse("ingest-1", 31, workers=3, started_at=ago(300).isoformat())
    assert ("platform_part_silent", "ingest-3") not in verdicts(silent)
