"""What holds for all families: routing, memory, and that nothing they are fed ends in a traceback."""

import dataclasses
import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.event_types import EVENT_TYPE_BY_NAME
from gateway.decoders import gt06_frame
from gateway.decoders.coverage import coverage
from gateway.decoders.families import BUS_FAMILIES, STREAM_FAMILIES, family_of, matches
from gateway.decoders.heard import BusMessage, Memory, Told
from tests.unit.gateway import test_decode_jt808 as jt808
from tests.unit.gateway import test_decode_minifinder2 as minifinder2
from tests.unit.gateway.words import NOW, Line

TOPICS = {
    "zigbee2mqtt": "zigbee2mqtt/button",
    "owntracks": "owntracks/a/b",
    "tasmota": "tele/hall/SENSOR",
    "shelly": "shellies/x/sensor/gas",
    "theengs": "home/hall/BTtoMQTT/AABBCCDDEE01",
    "chirpstack": "application/a/device/feedc0de/event/up",
    "homeassistant": "homeassistant/sensor/x/y/config",
}


def test_every_topic_finds_its_family_and_a_strange_one_may_be_described():
    assert {name: family_of(topic).name for name, topic in TOPICS.items()} == {name: name for name in TOPICS}
    assert family_of("shellyflood-02/events/rpc").name == "shelly"
    assert family_of("nobody/knows").name == "homeassistant"


@pytest.mark.parametrize(
    ("filter_", "topic", "fits"),
    [("a/#", "a", True), ("a/+", "a/b", True), ("a/+", "a/b/c", False), ("a/b", "a", False), ("+/b", "a/b", True)],
)
def test_filters_match_as_in_mqtt(filter_, topic, fits):
    assert matches(filter_, topic) is fits


def test_a_memory_forgets_the_oldest_first_and_keeps_its_bound():
    told = {str(n): Told(n, NOW + timedelta(seconds=n)) for n in range(9)}
    memory = Memory(call_button=True, most=4).remembering(told)
    assert (sorted(memory.told), memory.call_button) == (["5", "6", "7", "8"], True)


def test_a_message_leaves_the_memory_it_was_given_as_it_was():
    family = BUS_FAMILIES[0]
    memory = Memory()
    family.decode(BusMessage("zigbee2mqtt/x", b'{"contact":false}'), memory, NOW)
    assert memory.told == {}


MORE_TOPICS = (
    "x/events/rpc",
    "x/status/flood:0",
    "shellies/x/status",
    "application/a/device/e/event/location",
    "stat/x/PIR1",
)
NONSENSE = [
    b"", b"\x00", b"{", b"[]", b"[1,2]", b"null", b"true", b"1", b'"x"', b"{}", b'{"action":5,"battery":[],"smoke":{}}',
    b'{"type":"BTN","button":{}}', b'{"_type":[],"lat":"x"}', b'{"params":7,"method":1}', b'{"ZbReceived":{"1":2}}',
    b'{"data":7,"fPort":85}', b'{"data":"!!","fPort":85}', b'{"location":5}', b"\xff\xfe" * 40, b'{"a":' * 100,
    b'{"temperature":NaN}', b'{"temperature":1e400}', b'{"battery":true}', b'{"state_topic":1,"device":{"ids":[7]}}',
    b'{"device_class":"door","state_topic":"t","value_template":"{{ value_json.x }}","device":7}',
]  # fmt: skip


@pytest.mark.parametrize("family", BUS_FAMILIES, ids=lambda family: family.name)
def test_nonsense_on_a_bus_never_rings_and_is_no_traceback(family):
    topics = [TOPICS[family.name], *TOPICS.values(), "", "/", "a", "zigbee2mqtt", "x/status/flood:0", "x/events/rpc"]
    memory = Memory()
    for topic in topics:
        family.source_of(topic)
        for payload in NONSENSE:
            decoded = family.decode(BusMessage(topic, payload), memory, NOW)
            assert decoded.heard
            events = [event for heard in decoded.heard for event in heard.events]
            assert all(EVENT_TYPE_BY_NAME[event["type"]].lane == "telemetry" for event in events), (topic, payload)
            memory = decoded.memory


KEYS = [
    "action", "click", "battery", "battery_low", "occupancy", "contact", "smoke", "co", "last_seen",
    "fall_down_status", "_type", "lat", "lon", "tst", "batt", "type", "tempc", "open", "motion", "button", "packet",
    "encr", "bpm", "result", "StatusSNS", "TempUnit", "Time", "ZbReceived", "LwReceived", "IBEACON", "ATC-a1b2c3",
    "Temperature", "Battery", "MAC", "STATE", "Power", "Name", "params", "method", "events", "component", "event",
    "event_cnt", "ts", "aenergy", "alarm", "deviceInfo", "fPort", "data", "object", "tags", "deviceProfileName",
    "deduplicationId", "location", "latitude", "state_topic", "device_class", "value_template", "device",
    "identifiers", "payload_on",
]  # fmt: skip
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-300, 70000)
    | st.floats()
    | st.sampled_from(["on", "BTN", "door", "x", "", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("family", BUS_FAMILIES, ids=lambda family: family.name)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    payload=st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=6),
    topic=st.sampled_from([*TOPICS.values(), *MORE_TOPICS]),
)
def test_any_object_with_the_families_words_is_no_traceback(family, payload, topic):
    message = BusMessage(topic, json.dumps(payload).encode())
    decoded = family.decode(message, Memory(), NOW)
    again = family.decode(message, decoded.memory, NOW + timedelta(seconds=1))
    assert again.heard


@pytest.mark.parametrize("family", STREAM_FAMILIES, ids=lambda family: family.name)
def test_nonsense_on_a_line_is_no_traceback(family):
    chance = random.Random(7)
    starts = [b"", b"xx", b"yy\0\x10", b"[3G*5550001234*0010*", b"\x7e\x02\0", b"\xab\x10", b"(", b"IWAP10"]
    ends = [b"", b"\r\n", b"]", b"\x7e", b")"]
    for _ in range(300):
        frame = chance.choice(starts) + chance.randbytes(chance.randrange(60)) + chance.choice(ends)
        frames, rest = family.split(frame)
        assert len(rest) <= len(frame)
        for one in [frame or b"\0", *frames]:
            device = family.device_of(one, None)
            assert family.decode(one, device, Memory(), NOW).heard


def test_any_body_behind_a_right_check_sum_is_no_traceback():
    chance = random.Random(11)
    for kind in range(256):
        for length in (0, 3, 12, 30, 60):
            content = chance.randbytes(length)
            frames = {
                "gt06": gt06_frame.answer(kind, 1, content, is_long=bool(chance.randrange(2))),
                "jt808": jt808.frame(chance.choice((0x0200, 0x0704, 0x0210, 0x0002, kind)), content),
                "minifinder2": minifinder2.frame(minifinder2.body(content, kind=kind % 5)),
            }
            for name, frame in frames.items():
                assert Line(name).sends(frame).heard, (name, frame.hex())


def test_results_cannot_be_changed_after_the_fact():
    heard = BUS_FAMILIES[0].decode(BusMessage("zigbee2mqtt/x", b"{}"), Memory(), NOW).heard[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        heard.device = "other"  # type: ignore[misc]


def test_coverage_counts_lines_and_lists_every_refusal():
    lines: list[dict[str, Any]] = [
        {"topic": "zigbee2mqtt/x", "payload": {"contact": True}},
        {"topic": "zigbee2mqtt/x", "payload": {"contact": True}},
        {"topic": "zigbee2mqtt/x", "payload": '{"action":"emergency'},
    ]
    counted = coverage("zigbee2mqtt", lines, NOW)
    assert (counted.lines, counted.with_events, counted.refused_lines) == (3, 1, 1)
    assert dict(counted.non_events) == {"repeat": 1}
    text = counted.text()
    assert "3 lines, 66.7% understood" in text
    assert "cannot be read" in text
