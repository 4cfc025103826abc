"""What the codec takes, and what it says of everything else."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contract.codec import decode
from core.contract.event import Event
from core.contract.event_time import micros
from core.contract.json_text import MAX_BYTES, to_bytes
from core.domain.event_types import EVENT_TYPE_BY_NAME, EVENT_TYPES, Lane
from core.domain.ids import new_id
from tests.unit.ingest.words import NOW, RECEIVED, alarm, one_event, one_rejection, payload, telemetry


def test_a_bare_event_and_a_list_of_events_are_both_messages():
    event = {"type": "heart_rate", "value": 72}
    assert one_event(telemetry(event)).value == 72
    assert [e.index for e in telemetry({"events": [event, event]}).events] == [0, 1]
    assert telemetry({"events": []}).events == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b'{"type":"heart_rate","value":72} x', "malformed_json"),
        (b'{"type":"heart_rate","value":NaN}', "malformed_json"),
        (b'{"type":"heart_rate","value":Infinity}', "malformed_json"),
        (b'{"type":"heart_rate","value":-Infinity,"zone":"\\ud800"}', "malformed_json"),
        (b'{"type":"heart_rate","value":72,"zone":"\xff"}', "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b'["\\ud800",' + b"[" * 100_000, "malformed_json"),
        (b'{"events":[' + b"9" * 200_000 + b"]}", "malformed_json"),
        (b"[]", "malformed_json"),
        (b"72", "malformed_json"),
        (b"null", "malformed_json"),
        (b'{"events":{}}', "malformed_json"),
        (b'{"events":null}', "malformed_json"),
        (b" " * (MAX_BYTES + 1), "too_large"),
        (payload({"events": [{"type": "heartbeat"}] * 1001}), "too_many_events"),
    ],
)
def test_a_message_that_cannot_be_read_is_one_rejection_and_on_the_alarm_lane_it_rings(raw, reason):
    rejection = one_rejection(telemetry(raw))
    assert (rejection.index, rejection.reason, rejection.cries) == (None, reason, [])
    assert rejection.detail.endswith(".")
    (cry,) = one_rejection(alarm(raw)).cries
    assert cry.type == "unreadable_alarm"
    assert cry.at == RECEIVED


def test_a_message_of_exactly_the_largest_size_and_number_is_taken():
    assert len(telemetry({"events": [{"type": "heartbeat"}] * 1000}).events) == 1000
    raw = payload({"type": "heartbeat"})
    assert one_event(telemetry(raw + b" " * (MAX_BYTES - len(raw))))


def test_a_repeated_member_is_tolerated_and_the_last_one_counts():
    assert one_event(telemetry(b'{"type":"spo2","value":98,"value":97}')).value == 97


GOOD_VALUES = {
    "smoke": True,
    "gas": False,
    "carbon_monoxide_alarm": True,
    "water_leak": False,
    "carbon_monoxide": 30,
    "heart_rate": 20,
    "spo2": 100,
    "respiratory_rate": 2.5,
    "body_temperature": 36.6,
    "blood_pressure": {"systolic": 120, "diastolic": 80},
    "glucose": 0.5,
    "steps": 0,
    "worn": False,
    "position": {"lat": 0, "lng": 116.4},
    "motion": True,
    "presence": {"count": 2},
    "contact": {"open": True},
    "bed": {"occupied": False},
    "posture": "floor",
    "temperature": -40,
    "humidity": 100,
    "illuminance": 3.2,
    "water_meter": 12.345,
    "gas_meter": 0,
    "power_meter": 1e6,
    "medication": {"dose": "missed", "slot": "evening"},
    "battery": 0,
    "mains": True,
    "tamper": {"code": 7},
    "fault": True,
    "self_test": {"ok": False},
}


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.name)
def test_every_type_of_the_contract_is_taken_on_its_lane_and_refused_on_the_other(event_type):
    body = {"type": event_type.name, "value": GOOD_VALUES.get(event_type.name), "id": "a", "unheard_of": [1]}
    good, other = (telemetry, alarm) if event_type.lane is Lane.TELEMETRY else (alarm, telemetry)
    assert one_event(good(body)).type is event_type
    assert one_rejection(other(body)).reason == "wrong_lane"


@pytest.mark.parametrize("name", sorted(GOOD_VALUES))
def test_a_needed_value_that_is_missing_null_or_of_another_form_is_bad(name):
    read = telemetry if EVENT_TYPE_BY_NAME[name].lane is Lane.TELEMETRY else alarm
    for body in ({"type": name}, {"type": name, "value": None}, {"type": name, "value": [1]}):
        assert one_rejection(read(body)).reason == "bad_value"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "heart_rate", "value": 19}, "out_of_range"),
        ({"type": "heart_rate", "value": 10**400}, "out_of_range"),
        ({"type": "heart_rate", "value": "72"}, "bad_value"),
        ({"type": "heart_rate", "value": True}, "bad_value"),
        ({"type": "spo2", "value": 50}, "out_of_range"),
        ({"type": "spo2", "value": 0}, "out_of_range"),
        ({"type": "steps", "value": 1.5}, "bad_value"),
        ({"type": "blood_pressure", "value": {"systolic": 120}}, "bad_value"),
        ({"type": "blood_pressure", "value": {"systolic": 400, "diastolic": 80}}, "out_of_range"),
        ({"type": "position", "value": {"lat": 0, "lng": 0}}, "out_of_range"),
        ({"type": "position", "value": {"lat": 0.0, "lng": -0.0}}, "out_of_range"),
        ({"type": "position", "value": {"lat": 91, "lng": 0}}, "out_of_range"),
        ({"type": "posture", "value": "flying"}, "bad_value"),
        ({"type": "tamper", "value": {"code": "a\0b"}}, "bad_value"),
        ({"type": "contact", "value": {"open": True, "extra": "\0"}}, "bad_value"),
        ({"type": "contact", "value": {"open": True, "a\0b": 1}}, "bad_value"),
        ({"type": "nonsense"}, "unknown_type"),
        ({"type": "HEART_RATE", "value": 72}, "unknown_type"),
        ({"type": 7}, "unknown_type"),
        ({"type": ["sos"]}, "unknown_type"),
        ({}, "unknown_type"),
        ({"type": "heartbeat", "id": 7}, "bad_value"),
        ({"type": "heartbeat", "id": ""}, "bad_value"),
        ({"type": "heartbeat", "id": "x" * 65}, "bad_value"),
        ({"type": "heartbeat", "id": "a\0"}, "bad_value"),
        ({"type": "heartbeat", "zone": 5}, "bad_value"),
        ({"type": "heartbeat", "zone": "z" * 65}, "bad_value"),
        ({"type": "heartbeat", "quality": "great"}, "bad_value"),
        ({"type": "heartbeat", "quality": ["good"]}, "bad_value"),
        ({"type": "heartbeat", "device": 5}, "bad_value"),
        ({"type": "heartbeat", "at": 1785585600}, "bad_value"),
        ({"type": "heartbeat", "at": "2026-08-01T12:00:00"}, "bad_value"),
        ({"type": "heartbeat", "at": "yesterday"}, "bad_value"),
        ({"type": "heartbeat", "at": "1970-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"type": "heartbeat", "at": "2099-01-01T00:00:00Z"}, "time_out_of_range"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_its_reason_and_a_sentence(body, reason):
    rejection = one_rejection(telemetry(body))
    assert (rejection.index, rejection.reason) == (0, reason)
    assert rejection.detail.endswith(".")


def test_lone_surrogates_and_infinities_cost_only_their_own_event():
    raw = (
        b'{"events":[{"type":"heart_rate","value":72},{"type":"contact","value":{"open":true,"x":"\\ud800"}},'
        b'{"type":"heart_rate","value":1e999},{"type":"contact","value":{"open":true,"x":1e999}},'
        b'{"type":"heartbeat","zone":"\\udfff"},7,{"type":"contact","value":{"open":true,"x":"\\\\u0000"}}]}'
    )
    decoded = telemetry(raw)
    assert [event.index for event in decoded.events] == [0, 6]
    assert [(r.index, r.reason) for r in decoded.rejections] == [(i, "bad_value") for i in (1, 2, 3, 4, 5)]


def test_a_value_nested_too_deep_for_the_database_is_refused():
    nested: object = 1
    for _ in range(40):
        nested = [nested]
    assert one_rejection(telemetry({"type": "contact", "value": {"open": True, "x": nested}})).reason == "bad_value"


def test_a_type_without_a_value_ignores_one_and_null_members_are_absent():
    event = one_event(alarm({"type": "sos", "value": {"any": "thing"}, "id": None, "at": None, "zone": None}))
    assert (event.value, event.id, event.stated_at, event.zone) == (None, None, None, None)


def test_a_fall_needs_no_value_and_takes_a_confidence():
    assert one_event(alarm({"type": "fall"})).value is None
    assert one_event(alarm({"type": "fall", "value": {"confidence": 0.9}})).value == {"confidence": 0.9}


# --- times


def test_a_missing_time_is_that_inside_the_id_before_that_of_the_message():
    made = NOW - timedelta(minutes=3)
    sent = NOW.isoformat()
    decoded = telemetry({"sent_at": sent, "events": [{"type": "heartbeat", "id": str(new_id(made))}]})
    assert one_event(decoded).at == micros(made)
    plain = telemetry({"sent_at": sent, "events": [{"type": "heartbeat", "id": "press-7"}]})
    assert one_event(plain).at == micros(NOW)


def test_the_time_of_the_message_serves_events_without_their_own():
    sent = NOW - timedelta(hours=1)
    own = NOW - timedelta(hours=2)
    events = [{"type": "heartbeat"}, {"type": "heartbeat", "at": own.isoformat()}]
    decoded = telemetry({"sent_at": sent.isoformat(), "events": events})
    assert [event.at for event in decoded.events] == [micros(sent), micros(own)]
    assert one_event(telemetry({"type": "heartbeat"})).at == RECEIVED


def test_an_unreadable_time_of_the_message_is_a_bad_time_of_events_without_their_own():
    events = [{"type": "heartbeat"}, {"type": "heartbeat", "at": NOW.isoformat()}]
    decoded = telemetry({"sent_at": "noon", "events": events})
    assert [event.index for event in decoded.events] == [1]
    assert [(r.index, r.reason) for r in decoded.rejections] == [(0, "bad_value")]


@pytest.mark.parametrize("edge", [timedelta(days=-30), timedelta(minutes=5)])
def test_the_window_holds_its_edges_and_nothing_beyond(edge):
    beyond = edge + (timedelta(microseconds=1) if edge > timedelta(0) else timedelta(microseconds=-1))
    assert one_event(telemetry({"type": "heartbeat", "at": (NOW + edge).isoformat()})).at == micros(NOW + edge)
    refused = one_rejection(telemetry({"type": "heartbeat", "at": (NOW + beyond).isoformat()}))
    assert refused.reason == "time_out_of_range"


@pytest.mark.parametrize(
    "wrong", ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-08-01T12:00:00", "gestern", 5, True, {}, []]
)
def test_an_alarm_with_any_wrong_time_is_taken_at_its_receipt_and_marked(wrong):
    event = one_event(alarm({"type": "sos", "at": wrong}))
    assert (event.at, event.clock_suspect) == (RECEIVED, True)


def test_an_id_made_in_1970_is_a_wrong_time_like_any_other():
    old = "00000000010000000000000000"
    assert one_rejection(telemetry({"type": "heartbeat", "id": old})).reason == "time_out_of_range"
    assert one_event(alarm({"type": "sos", "id": old})).clock_suspect
    at = NOW.isoformat()
    assert one_event(telemetry({"type": "heartbeat", "id": old, "at": at})).at == RECEIVED


# --- cries for help


@pytest.mark.parametrize("name", ["sos", "fall"])
@pytest.mark.parametrize("fault", [{"id": 7}, {"quality": "?"}, {"zone": 9}, {"device": 9}])
def test_a_cry_for_help_that_is_refused_keeps_crying(name, fault):
    rejection = one_rejection(alarm({"type": name, "at": NOW.isoformat(), **fault}))
    assert rejection.reason == "bad_value"
    assert [(cry.type, cry.at) for cry in rejection.cries] == [(name, RECEIVED)]


def test_a_cry_for_help_on_the_telemetry_lane_rings():
    rejection = one_rejection(telemetry({"type": "sos", "device": "child", "zone": "kitchen"}))
    assert rejection.reason == "wrong_lane"
    (cry,) = rejection.cries
    assert (cry.type, cry.child, cry.zone) == ("sos", "child", "kitchen")


@pytest.mark.parametrize("body", [{"type": "SOS"}, {"type": "smoke", "value": "yes"}, {}, 7])
def test_what_should_have_been_an_alarm_rings_as_an_unreadable_one(body):
    assert [cry.type for cry in one_rejection(alarm({"events": [body]})).cries] == ["unreadable_alarm"]


def test_readable_telemetry_that_strayed_onto_the_alarm_topic_stays_quiet():
    assert one_rejection(alarm({"type": "heart_rate", "value": 72})).cries == []


# --- anything at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(sorted(EVENT_TYPE_BY_NAME)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "value", "id", "at", "device", "quality", "zone", "lat", "lng", "open", "code"])
            | st.text(max_size=4),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=300), st.sampled_from(Lane))
def test_any_bytes_end_in_events_or_rejections(raw, lane):
    decoded = decode(raw, lane, RECEIVED)
    assert decoded.events or decoded.rejections


EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(EVENT_TYPE_BY_NAME))},
    optional=dict.fromkeys(("value", "id", "at", "device", "quality", "zone"), JSON),
)


@given(st.lists(EVENTS | JSON, max_size=5), JSON, st.sampled_from(Lane))
def test_any_json_leaves_each_event_exactly_one_result_that_can_be_stored(bodies, sent_at, lane):
    try:
        raw = json.dumps({"sent_at": sent_at, "events": bodies}, allow_nan=False).encode()
    except ValueError:
        return  # NaN is not JSON; the bytes of it are tested above
    decoded = decode(raw, lane, RECEIVED)
    results = (*(event.index for event in decoded.events), *(each.index for each in decoded.rejections))
    indexes = sorted(index for index in results if index is not None)
    assert indexes == list(range(len(bodies)))
    for event in decoded.events:
        assert_storable(event)
    for rejection in decoded.rejections:
        rejection.detail.encode()
        assert "\0" not in rejection.detail


def assert_storable(event: Event) -> None:
    text = to_bytes(event.value)
    assert text is not None
    assert json.loads(text) == event.value
    for string in strings_in(event.value):
        assert "\0" not in string
        string.encode()
    (event.zone or "").encode()


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)
