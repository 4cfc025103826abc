"""JT/T 808: vectors written by hand from the standard, with a number of nobody's."""

import struct

import pytest

from gateway.decoders.jt808_frame import split, terminal
from gateway.decoders.octets import xor
from tests.unit.gateway.words import Line

NUMBER = bytes.fromhex("010000000001")
DEVICE = "10000000001"
SOS, LOW, POWER_OFF, COLLISION, ROLL_OVER = 1, 1 << 7, 1 << 8, 1 << 29, 1 << 30
FIX, SOUTH, WEST = 2, 4, 8


def frame(kind: int, body: bytes = b"", *, number: bytes = NUMBER, serial: int = 5, attributes: int = 0) -> bytes:
    inner = struct.pack(">HH", kind, len(body) | attributes) + number + struct.pack(">H", serial) + body
    inner += bytes([xor(inner)])
    return b"\x7e" + inner.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def location(
    alarms: int = 0,
    *,
    status: int = FIX,
    at: str = "260701104000",
    more: bytes = b"",
    lat: float = 31.2,
    lng: float = 121.5,
) -> bytes:
    place = struct.pack(">IIII", alarms, status, round(lat * 1e6), round(lng * 1e6))
    return place + struct.pack(">HHH", 12, 30, 90) + bytes.fromhex(at) + more


def report(alarms: int = 0, **more) -> bytes:
    return frame(0x0200, location(alarms, **more))


def answered(kind: int, serial: int = 5) -> bytes:
    body = struct.pack(">HHB", serial, kind, 0)
    return frame(0x8001, body, serial=0)


def removed(word: int) -> bytes:
    item = struct.pack(">HHI", 6, 0x0089, word)
    return bytes([0xEB, len(item)]) + item


@pytest.fixture
def terminal_():
    return Line("jt808")


def test_an_sos_rings_with_beijings_time_and_its_place_and_is_answered(terminal_):
    said = terminal_.sends(report(SOS))
    assert {"type": "sos", "at": "2026-07-01T02:40:00+00:00"} in said.raw
    assert said.value("position") == {"lat": 31.2, "lng": 121.5, "source": "gnss"}
    assert (said.devices, said.reply) == ([DEVICE], answered(0x0200))


def test_the_alarm_bit_that_stands_in_every_report_is_one_alert(terminal_):
    terminal_.sends(report(SOS))
    again = [terminal_.sends(report(SOS, at=f"26070110{41 + n}00"), after_s=60) for n in range(3)]
    assert not any("sos" in dict(said.events) for said in again)
    assert again[0].names == {"standing"}
    terminal_.sends(report(0, at="260701104400"), after_s=60)
    assert "sos" in dict(terminal_.sends(report(SOS, at="260701104500"), after_s=60).events)


def test_a_bit_not_heard_of_for_long_rings_again(terminal_):
    terminal_.sends(report(SOS))
    assert "sos" in dict(terminal_.sends(report(SOS, at="260701110000"), after_s=1200).events)


@pytest.mark.parametrize("bit", [COLLISION, ROLL_OVER])
def test_a_blow_or_a_roll_is_a_suspected_fall(terminal_, bit):
    assert ("fall_suspected", None) in terminal_.sends(report(bit)).events


def test_a_low_battery_and_lost_power(terminal_):
    assert ("battery", 10) in terminal_.sends(report(LOW)).events
    for minute in (41, 43):
        assert ("mains", False) in terminal_.sends(report(POWER_OFF, at=f"26070110{minute}00"), after_s=60).events
        assert ("mains", True) in terminal_.sends(report(at=f"26070110{minute + 1}00"), after_s=60).events


def test_a_terminal_taken_off_is_told_once_until_it_is_back(terminal_):
    off, on = removed(0xFFFFEFFF), removed(0xFFFFFFFF)
    assert ("worn", False) in terminal_.sends(report(more=off)).events
    assert "worn" not in dict(terminal_.sends(report(more=off, at="260701104100"), after_s=60).events)
    assert ("worn", True) in terminal_.sends(report(more=on, at="260701104200"), after_s=60).events
    assert ("worn", False) in terminal_.sends(report(more=off, at="260701104300"), after_s=60).events


@pytest.mark.parametrize("addition", ["06013e", "d4013e", "e402003e", "fe013e", "e306003e00000000"])
def test_the_battery_of_several_makers(terminal_, addition):
    assert terminal_.sends(report(more=bytes.fromhex(addition))).value("battery") == 62


def test_a_battery_of_255_is_none(terminal_):
    assert "battery" not in dict(terminal_.sends(report(more=bytes.fromhex("d401ff"))).events)


@pytest.mark.parametrize(("status", "lat"), [(0, 31.2), (FIX, 0.0)])
def test_an_invalid_fix_or_zero_zero_is_stale(terminal_, status, lat):
    said = terminal_.sends(report(status=status, lat=lat, lng=121.5 if lat else 0))
    assert (said.events, said.names) == ([], {"stale fix"})


def test_south_and_west(terminal_):
    assert terminal_.sends(report(status=FIX | SOUTH | WEST)).value("position")["lat"] == -31.2


def test_reports_kept_without_a_line_keep_their_time_and_do_not_ring_a_live_press_again(terminal_):
    terminal_.sends(report(SOS))
    kept = [location(0, at="260701103000"), location(SOS, at="260701103900")]
    batch = b"\0\2\1" + b"".join(struct.pack(">H", len(one)) + one for one in kept)
    said = terminal_.sends(frame(0x0704, batch), after_s=5)
    assert [event["at"][11:16] for event in said.raw] == ["02:30", "02:39"]
    assert "sos" not in dict(said.events)


def test_a_press_kept_without_a_line_rings_late(terminal_):
    kept = location(SOS, at="260701093000")
    said = terminal_.sends(frame(0x0704, b"\0\1\1" + struct.pack(">H", len(kept)) + kept))
    assert {"type": "sos", "at": "2026-07-01T01:30:00+00:00"} in said.raw


def test_a_wrong_check_sum_is_refused_unanswered_and_a_press_in_it_rings_as_doubtful(terminal_):
    def damaged(sent: bytes) -> bytes:
        return sent[:-2] + bytes([sent[-2] ^ 1]) + sent[-1:]

    terminal_.sends(report())
    pressed = terminal_.sends(damaged(report(SOS)))
    assert (pressed.devices, pressed.suspect, pressed.reply) == ([DEVICE], ["sos"], b"")
    assert pressed.reasons == ["the check sum is wrong"]
    assert terminal_.sends(damaged(report(ROLL_OVER))).suspect == ["fall_suspected"]
    assert terminal_.sends(damaged(report())).events == []
    assert terminal_.sends(damaged(report(0xFFFFFFFF))).events == []


def test_marks_inside_a_frame_are_escaped_both_ways(terminal_):
    said = terminal_.sends(frame(0x0200, location(SOS, lat=0x7E7D7E / 1e6), serial=0x7E7D))
    assert said.value("position")["lat"] == 8.289662
    inside = said.reply[1:-1]
    assert b"\x7e" not in inside
    assert b"\x7d\x02\x7d\x01" in inside


def test_a_registration_is_answered_with_the_key_to_log_in(terminal_):
    said = terminal_.sends(frame(0x0100, bytes(25)))
    assert said.names == {"login"}
    assert said.reply == frame(0x8100, b"\0\x05\0" + DEVICE.encode(), serial=0)


def test_the_version_of_2019_has_a_longer_number(terminal_):
    number = b"\1" + bytes.fromhex("00000000000990000001")
    said = terminal_.sends(frame(0x0002, number=number, attributes=0x4000))
    assert (said.devices, said.names) == (["990000001"], {"heartbeat"})
    assert said.reply[5:16] == number


def test_an_imei_as_a_binary_number_gets_its_check_digit():
    assert terminal((49015420323751).to_bytes(6, "big")) == "490154203237518"


@pytest.mark.parametrize(
    ("kind", "body", "name"),
    [
        (0x0102, b"key", "login"),
        (0x0001, bytes(5), "acknowledgement"),
        (0x0900, b"\x41x", "unrelated"),
        (0x0801, bytes(40), "media"),
        (0x0109, b"", "request"),
    ],
)
def test_other_messages_are_named(terminal_, kind, body, name):
    assert terminal_.sends(frame(kind, body)).names == {name}


def test_what_cannot_be_read_is_refused(terminal_):
    assert "encrypted" in terminal_.sends(frame(0x0200, location(SOS), attributes=0x0400)).reasons[0]
    assert "not known" in terminal_.sends(frame(0x0F77)).reasons[0]
    assert "too short" in terminal_.sends(frame(0x0200, b"\0\0")).reasons[0]


def test_a_stream_is_cut_into_frames_however_it_arrives():
    stream = b"\0" + report(SOS) + report() + b"(990000000001,1,001,BASE,2,TIME)" + frame(0x0002)
    whole, rest = split(stream)
    assert (len(whole), rest) == (4, b"")
    frames, buffer = [], b""
    for octet in stream:
        found, buffer = split(buffer + bytes([octet]))
        frames += found
    assert frames == whole
