"""The table of event types is the contract's."""

import math

import pytest
from jsonschema import Draft202012Validator

from core.domain.event_types import CRIES_FOR_HELP, EVENT_TYPE_BY_NAME, EVENT_TYPES, Lane, Storage
from core.domain.metrics import METRIC_BY_NAME, METRICS
from core.domain.values import BAD_VALUE, OUT_OF_RANGE

ALARMS = {"sos", "fall", "smoke", "gas", "carbon_monoxide_alarm", "water_leak"}


def test_the_alarm_lane_carries_exactly_the_contracts_six_types():
    assert {t.name for t in EVENT_TYPES if t.lane is Lane.ALARM} == ALARMS
    assert CRIES_FOR_HELP < ALARMS


def test_every_reading_names_its_metrics_and_no_metric_number_is_used_twice():
    for event_type in EVENT_TYPES:
        assert (event_type.storage is Storage.READING) == bool(event_type.metrics)
        assert all(name in METRIC_BY_NAME for name, _ in event_type.metrics)
    assert len({metric.number for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize(
    ("name", "good", "outside"),
    [
        ("heart_rate", [20, 72.5, 250], [19.9, 250.1, 0]),
        ("spo2", [51, 100], [50, 0, 100.5]),
        ("respiratory_rate", [2, 60], [1, 61]),
        ("body_temperature", [25, 45], [24.9, 45.1]),
        ("glucose", [0.5, 50], [0.4, 51]),
        ("carbon_monoxide", [0, 2000], [-1, 2001]),
        ("temperature", [-40, 85], [-41, 86]),
        ("battery", [0, 100], [-1, 101]),
        ("fall", [{}, {"confidence": 0.5}, {"new": "member"}], [{"confidence": 1.5}]),
        ("blood_pressure", [{"systolic": 120, "diastolic": 80}], [{"systolic": 300, "diastolic": 80}]),
        ("position", [{"lat": 31.2, "lng": 121.5, "accuracy_m": 10}], [{"lat": 91, "lng": 0.1}]),
    ],
)
def test_values_are_good_to_the_edge_of_the_contracts_range_and_not_beyond(name, good, outside):
    shape = EVENT_TYPE_BY_NAME[name].shape
    assert shape is not None
    assert [shape.check(value) for value in good] == [None] * len(good)
    assert [shape.check(value) for value in outside] == [OUT_OF_RANGE] * len(outside)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heart_rate", "72"),
        ("heart_rate", True),
        ("heart_rate", None),
        ("heart_rate", math.nan),
        ("heart_rate", math.inf),
        ("steps", 1.5),
        ("smoke", 1),
        ("contact", True),
        ("contact", {"open": "yes"}),
        ("posture", "flying"),
        ("position", {"lat": 31.2}),
        ("blood_pressure", {"systolic": 120}),
        ("medication", {"dose": "lost"}),
    ],
)
def test_values_of_a_wrong_kind_are_bad(name, value):
    shape = EVENT_TYPE_BY_NAME[name].shape
    assert shape is not None
    assert shape.check(value) == BAD_VALUE


@pytest.mark.parametrize("event_type", [t for t in EVENT_TYPES if t.shape], ids=lambda t: t.name)
def test_the_published_schema_and_the_check_agree(event_type):
    validator = Draft202012Validator(event_type.shape.json_schema())
    samples = [True, False, 0, 1, 50, 51, 72.5, 1e7, -300, "lying", "x", {}, {"open": True}, {"occupied": False}]
    samples += [{"count": 2}, {"code": 7}, {"confidence": 2}, {"lat": 1, "lng": 2}, {"dose": "taken"}, {"ok": True}, []]
    for sample in samples:
        assert validator.is_valid(sample) == (event_type.shape.check(sample) is None), sample
