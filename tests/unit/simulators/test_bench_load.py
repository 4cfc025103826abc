"""The load: what it writes is MQTT and the contract's, shuffled, with its share of repeats and late ones."""

import json
from datetime import UTC, datetime

import mqtt5
import pytest

from core.contract.codec import decode
from core.domain.event_types import EVENT_TYPE_BY_NAME, Lane
from core.domain.fleet import FleetChild, FleetMember
from simulators.bench.load import hubs_of
from simulators.bench.load_frames import HANDFUL, METRIC_VALUES, Writer, publish, remaining_length, speech_of
from simulators.bench.load_links import connect_frame
from simulators.bench.load_plan import LoadPlan


def hub(number: int, children: int = 8) -> FleetMember:
    name = f"h{number:04d}"
    kids = tuple(FleetChild(device_id=f"{name}-c{n}", type="pir", zone="living") for n in range(children))
    return FleetMember(device_id=f"{name}-hub", username=name, password="p", kind="hub", home=number, children=kids)


HUBS = [hub(1), hub(2), hub(3)]


def messages(plan: LoadPlan, count: int) -> list[tuple[int, dict]]:
    writer = Writer(speech_of(HUBS, plan), plan)
    return [(hub, json.loads(payload)) for hub, _, payload in (writer.message(n) for n in range(count))]


def test_every_value_of_every_metric_is_one_the_contract_takes():
    assert len(METRIC_VALUES) == 12
    for metric, values in METRIC_VALUES.items():
        shape = EVENT_TYPE_BY_NAME[metric].shape
        assert shape is not None
        assert [shape.check(json.loads(value)) for value in values] == [None] * len(values)


def test_what_is_written_is_the_contracts_to_the_last_byte():
    for plan in (
        LoadPlan("a", devices=24),
        LoadPlan("a", devices=24, batch=20),
        LoadPlan("a", devices=24, messages=200, age_hours=6),
    ):
        writer = Writer(speech_of(HUBS, plan), plan)
        for number in range(200):
            decoded = decode(writer.message(number)[2], Lane.TELEMETRY, int(datetime.now(UTC).timestamp() * 1e6))
            assert (len(decoded.events), decoded.rejections) == (plan.batch, [])


def test_frames_are_read_by_another_codec_as_what_they_say():
    plan = LoadPlan("a", devices=24)
    speech = speech_of(HUBS, plan)
    which, opening, payload = Writer(speech, plan).message(0)
    frame = publish(speech.heads[which], 0x0102, payload)
    assert frame == opening + b"\x01\x02" + payload
    # MQTT 5 has one byte more than 3.1.1, the length of its properties, before the payload.
    body = frame[-(2 + len(speech.heads[which]) + len(payload)) :]
    cut = len(speech.heads[which]) + 2
    five = b"\x32" + remaining_length(len(body) + 1) + body[:cut] + b"\x00" + body[cut:]
    packet, _ = mqtt5.read(memoryview(five))
    assert isinstance(packet, mqtt5.PublishPacket)
    assert (packet.topic, packet.packet_id, packet.payload) == (
        f"anxin/v1/{HUBS[which].device_id}/up/telemetry",
        258,
        payload,
    )


@pytest.mark.parametrize("value", [0, 127, 128, 16_383, 16_384, 2_097_151])
def test_lengths_are_mqtts(value):
    told = remaining_length(value)
    assert sum((byte & 0x7F) << 7 * n for n, byte in enumerate(told)) == value
    assert [byte >> 7 for byte in told] == [1] * (len(told) - 1) + [0]


def test_voices_are_all_devices_times_all_metrics_each_once_a_round_and_shuffled():
    plan = LoadPlan("a", devices=24, duplicate_pct=0)
    said = [(event["device"], event["type"]) for _, event in messages(plan, 24 * 12)]
    assert len(set(said)) == 24 * 12
    assert said != sorted(said)


def test_a_hub_says_a_handful_at_once_and_not_one_metric_or_device_after_the_other():
    plan = LoadPlan("a", devices=24, duplicate_pct=0)
    told = messages(plan, 24 * 12)
    handfuls = [told[start : start + HANDFUL] for start in range(0, len(told), HANDFUL)]
    assert all(len({hub for hub, _ in handful}) == 1 for handful in handfuls)
    assert [handful[0][0] for handful in handfuls] != sorted(handful[0][0] for handful in handfuls)
    assert all(len({event["type"] for _, event in handful}) > 2 for handful in handfuls)
    assert all(len({event["device"] for _, event in handful}) > 2 for handful in handfuls)


@pytest.mark.parametrize("plan", [LoadPlan("a", devices=24), LoadPlan("a", devices=24, batch=20)])
def test_every_frame_as_it_is_queued_has_the_length_it_tells(plan: LoadPlan):
    speech = speech_of(HUBS, plan)
    writer = Writer(speech, plan)
    for number in range(300):
        hub, opening, payload = writer.message(number)
        assert opening + b"\x00\x07" + payload == publish(speech.heads[hub], 7, payload)


def test_a_share_is_said_twice_with_the_same_id_and_all_other_ids_are_distinct():
    plan = LoadPlan("a", devices=24, duplicate_pct=10)
    writer = Writer(speech_of(HUBS, plan), plan)
    ids = [json.loads(writer.message(n)[2])["id"] for n in range(2000)]
    assert writer.readings == 2000
    assert writer.distinct == len(set(ids))
    assert 100 < 2000 - writer.distinct < 320
    assert all(len(text) <= 64 for text in ids)


def test_a_share_is_minutes_to_hours_late():
    now = datetime.now(UTC)
    ages = [
        (now - datetime.fromisoformat(event["at"])).total_seconds()
        for _, event in messages(LoadPlan("a", devices=24, late_pct=10), 2000)
    ]
    late = [age for age in ages if age > 60]
    assert 100 < len(late) < 320
    assert max(late) < 6.1 * 3600


def test_a_gateways_message_holds_readings_of_its_own_children_only():
    for which, message in messages(LoadPlan("a", devices=24, batch=20, duplicate_pct=0), 30):
        assert len(message["events"]) == 20
        assert len({(event["device"], event["type"]) for event in message["events"]}) == 20
        assert {event["device"][:5] for event in message["events"]} == {HUBS[which].device_id[:5]}


def test_a_backlog_is_in_order_from_its_age_until_now_and_its_first_batteries_were_low():
    plan = LoadPlan("a", messages=300, devices=24, age_hours=6, duplicate_pct=0)
    told = [event for _, event in messages(plan, 300)]
    times = [event["at"] for event in told]
    assert times == sorted(times)
    first = (datetime.now(UTC) - datetime.fromisoformat(times[0])).total_seconds()
    assert first == pytest.approx(6 * 3600, abs=5)
    batteries = [event["value"] for event in told if event["type"] == "battery"]
    assert batteries[0] == 15
    assert batteries[-1] >= 60


def test_as_many_hubs_speak_as_the_devices_need():
    assert len(hubs_of(HUBS, LoadPlan("a", devices=9))) == 2
    assert len(hubs_of(HUBS, LoadPlan("a", devices=0))) == 3
    assert [member.home for member in hubs_of(HUBS, LoadPlan("a", hubs=1, first_hub=1))] == [2]


def test_the_plan_survives_its_command_line():
    plan = LoadPlan("a", per_second=12.5, batch=20, first_hub=3)
    words = dict(zip(plan.words()[::2], plan.words()[1::2], strict=True))
    assert words == {"--run": "a", "--per-second": "12.5", "--batch": "20", "--first-hub": "3"}


def test_a_connect_names_the_device_and_its_password():
    frame = connect_frame(HUBS[0], "load-1")
    assert frame[0] == 0x10
    assert frame[1] == len(frame) - 2
    assert frame.endswith(b"\x00\x06load-1\x00\x05h0001\x00\x01p")
