"""What makes an event the same event again (docs/adr/0003-event-key.md)."""

from datetime import timedelta

import pytest

from core.contract.event_time import SECOND
from core.contract.keys import STEP, CopyCounter, key_of_id
from tests.unit.ingest.words import NOW, RECEIVED, delivery, only_piece

AT = NOW.isoformat()


def key(kind, body, **options):
    return only_piece(delivery(kind, body, **options)).key


def test_a_key_has_sixteen_bytes():
    assert len(key("telemetry", {"type": "heartbeat", "id": "a"})) == 16


def test_who_knows_only_the_id_finds_the_same_key():
    assert key("telemetry", {"type": "heartbeat", "id": "门-1"}) == key_of_id("门-1")


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        ({"type": "heartbeat", "id": "a"}, "a4de0b79c56b8afae29f87fbf8867782"),
        ({"type": "heartbeat", "id": "门-1"}, "4a4ef250b93862b3d3fb54818b7cff5d"),
        ({"type": "heart_rate", "value": 70, "at": AT}, "e8c223b49d3abba7f791137c0f7781aa"),
        ({"type": "temperature", "value": -3.5e-07, "at": AT, "device": "child-1"}, "4e58133b2a17a787e01413c03d1f2dcd"),
        ({"type": "water_meter", "value": 5000000000000000.0, "at": AT}, "ce31ffa8885c5f4105b372ea79a565c9"),
        ({"type": "motion", "value": True, "at": AT, "zone": "浴室"}, "64553c10542ebeeaba7ab93181e36311"),
        (
            {"type": "blood_pressure", "value": {"systolic": 120, "diastolic": 80}, "at": AT},
            "7ea75b65b463775c86e863e1974aa5d6",
        ),
        ({"type": "heart_rate", "value": 70}, "26728ae2694e3c0d57126c1cd806978b"),
        ({"type": "heartbeat", "at": AT}, "b8c279f1eacefbdce10735f31df0b073"),
    ],
)
def test_keys_are_for_ever_because_those_of_35_days_are_stored(body, stored):
    assert key("telemetry", body).hex() == stored


def test_with_an_id_nothing_else_counts():
    assert key("telemetry", {"type": "heartbeat", "id": "a"}) == key(
        "alarm", {"type": "sos", "id": "a", "at": AT}, at=NOW + timedelta(days=3)
    )
    assert key("telemetry", {"type": "heartbeat", "id": "a"}) != key("telemetry", {"type": "heartbeat", "id": "b"})


def test_with_a_time_the_same_instant_child_and_content_are_the_same_event_whenever_it_arrives():
    body = {"type": "heart_rate", "value": 70, "at": AT}
    said = key("telemetry", body)
    assert said == key("telemetry", body, at=NOW + timedelta(days=1))
    assert said == key("telemetry", {**body, "at": "2026-08-01T20:00:00.000+08:00"})
    for other in ({"value": 71}, {"type": "respiratory_rate", "value": 50}, {"device": "child-1"}, {"zone": "bath"}):
        assert said != key("telemetry", {**body, **other})


def test_the_order_of_members_is_not_content():
    one = {"type": "blood_pressure", "at": AT, "value": {"systolic": 120, "diastolic": 80}}
    two = {"type": "blood_pressure", "at": AT, "value": {"diastolic": 80, "systolic": 120}}
    assert key("telemetry", one) == key("telemetry", two)


def test_an_unreadable_time_of_an_alarm_still_tells_copies_from_other_presses():
    def press(at):
        return key("alarm", {"type": "sos", "at": at})

    assert press("yesterday") == press("yesterday") != press("today")


def test_with_neither_telemetry_is_the_same_within_a_step_of_ten_seconds():
    start = NOW  # a multiple of ten seconds
    body = {"type": "temperature", "value": 21}
    assert key("telemetry", body, at=start) == key("telemetry", body, at=start + timedelta(seconds=9.9))
    assert key("telemetry", body, at=start) != key("telemetry", body, at=start + timedelta(seconds=10))


def test_two_workers_count_nameless_alarms_alike_and_no_two_presses_share_a_key():
    one, two = CopyCounter(0), CopyCounter(STEP)
    body = {"type": "sos"}
    first = [key("alarm", body, copies=one) for _ in range(3)]
    assert [key("alarm", body, copies=two) for _ in range(3)] == first
    assert len(set(first)) == 3
    assert key("alarm", body, copies=one, device_id="hub-2") not in first
    assert only_piece(delivery("alarm", body)).insist


def test_a_worker_that_began_within_the_step_or_whose_clock_went_back_makes_unique_keys():
    sighted = CopyCounter(0).key(RECEIVED, "hub-1", "x")
    began = CopyCounter(RECEIVED - SECOND * (RECEIVED // SECOND % 10))
    assert began.key(RECEIVED, "hub-1", "x") not in {sighted, began.key(RECEIVED, "hub-1", "x")}
    later = CopyCounter(0)
    later.key(RECEIVED + STEP, "hub-1", "x")
    assert later.key(RECEIVED, "hub-1", "x") != sighted
    full = CopyCounter(0, limit=1)
    full.key(RECEIVED, "hub-1", "y")
    assert full.key(RECEIVED, "hub-1", "x") != sighted


def test_a_refused_event_never_takes_the_key_of_an_accepted_one():
    accepted = key("alarm", {"type": "sos", "id": "a"})
    refused = key("alarm", {"type": "sos", "id": "a", "quality": "?"})
    assert refused == key("alarm", {"type": "sos", "id": "a", "quality": "?"}, at=NOW + timedelta(hours=1))
    assert refused != accepted
    assert key("alarm", {"type": "sos", "id": "a"}, device_id="stranger") != key(
        "alarm", {"type": "sos", "id": "a"}, device_id="other-stranger"
    )


def test_refused_telemetry_that_does_not_ring_has_no_key():
    assert key("telemetry", {"type": "nonsense", "id": "a"}) is None
    assert key("telemetry", {"type": "sos", "id": "a"}) is not None
    assert key("alarm", {"type": "nonsense", "id": "a"}) is not None
