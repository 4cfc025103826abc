"""GT06: vectors written by hand from the protocol, with an IMEI of nobody's."""

import struct

import pytest

from gateway.decoders.gt06_frame import answer, split
from tests.unit.gateway.words import NOW, Line

IMEI = "990000000000017"
LOGIN = answer(0x01, 1, bytes.fromhex("0" + IMEI))
SOS, FALL, LOW, REMOVED, TAMPERED = 0x01, 0x23, 0x0E, 0x18, 0x13


def place(*, flags: int = 0x1400, hour: int = 2, minute: int = 40, lat: float = 31.2, lng: float = 121.5) -> bytes:
    when = bytes([26, 7, 1, hour, minute, 0])
    return when + b"\xc7" + struct.pack(">IIBH", round(lat * 1.8e6), round(lng * 1.8e6), 0, flags)


CELL = bytes([9]) + bytes.fromhex("01cc001111002222")


def alarm(
    code: int, *, kind: int = 0x16, status: int = 0x40, level: int = 5, serial: int = 9, minute: int = 40
) -> bytes:
    return answer(kind, serial, place(minute=minute) + CELL + bytes([status, level, 4, code, 2]))


def heartbeat(status: int = 0x40, level: int = 6, serial: int = 20) -> bytes:
    return answer(0x13, serial, bytes([status, level, 4, 0, 2]))


@pytest.fixture
def tracker():
    line = Line("gt06")
    line.sends(LOGIN)
    return line


def test_a_login_names_the_connection_and_is_answered():
    line = Line("gt06")
    said = line.sends(LOGIN)
    assert (said.devices, said.names) == ([IMEI], {"login"})
    assert said.reply == bytes.fromhex("787805010001d9dc0d0a")
    assert line.sends(heartbeat()).devices == [IMEI]


def test_an_sos_rings_with_its_time_and_place_and_is_answered(tracker):
    said = tracker.sends(alarm(SOS))
    assert {"type": "sos", "at": "2026-07-01T02:40:00+00:00"} in said.raw
    assert said.value("position") == {"lat": 31.2, "lng": 121.5, "source": "gnss"}
    assert said.value("battery") == 83
    assert said.reply == answer(0x16, 9)


@pytest.mark.parametrize("kind", [0x16, 0x26, 0x27])
@pytest.mark.parametrize(
    ("code", "event"),
    [
        (FALL, ("fall", None)),
        (LOW, ("battery", 10)),
        (0x19, ("battery", 10)),
        (REMOVED, ("worn", False)),
        (TAMPERED, ("tamper", True)),
        (0x02, ("mains", False)),
        (0x11, ("fault", {"code": "switched_off"})),
        (0x2C, ("fall_suspected", None)),
    ],
)
def test_the_other_alarms(tracker, kind, code, event):
    said = tracker.sends(alarm(code, kind=kind))
    assert event in said.events
    assert "sos" not in dict(said.events)


@pytest.mark.parametrize(
    ("bits", "event"), [(4, ("sos", None)), (3, ("battery", 10)), (7, ("worn", False)), (2, ("mains", False))]
)
def test_an_alarm_in_the_three_bits_of_a_status_is_told_once(tracker, bits, event):
    assert event in tracker.sends(alarm(0, status=0x40 | bits << 3)).events


def test_an_alarm_in_bits_and_code_at_once_rings_once(tracker):
    assert [kind for kind, _ in tracker.sends(alarm(SOS, status=0x60)).events].count("sos") == 1


def test_an_alarm_without_places_or_behind_a_4g_cell_rings(tracker):
    cell = bytes.fromhex("01cc001111002222")
    assert ("sos", None) in tracker.sends(answer(0x19, 2, cell + bytes([0x40, 5, 4, SOS, 2]))).events
    wide = bytes.fromhex("01cc00") + bytes(12)
    assert ("fall", None) in tracker.sends(answer(0xA5, 3, wide + bytes([0x40, 5, 4, FALL, 2]))).events


def test_a_vehicles_alarms_are_the_devices_own_rules(tracker):
    assert "own rule" in tracker.sends(alarm(0x06)).names


def test_an_unknown_code_is_refused_by_name_and_the_rest_is_read(tracker):
    said = tracker.sends(alarm(0x77))
    assert said.reasons == ["the alarm code 0x77 is not known"]
    assert "position" in dict(said.events)


def test_a_report_sent_again_rings_once_and_another_press_with_the_same_stale_time_again(tracker):
    tracker.sends(alarm(SOS, serial=9))
    assert "resent" in tracker.sends(alarm(SOS, serial=9), after_s=10).names
    assert ("sos", None) in tracker.sends(alarm(SOS, serial=10), after_s=10).events


def test_an_alarm_that_stands_in_the_heartbeat_is_no_second_alert_and_not_lost_when_it_comes_first(tracker):
    pressed = 0x40 | 4 << 3
    tracker.sends(alarm(SOS))
    assert "standing" in tracker.sends(heartbeat(pressed), after_s=60).names
    tracker.sends(heartbeat(), after_s=60)
    assert ("sos", None) in tracker.sends(heartbeat(pressed), after_s=60).events


@pytest.mark.parametrize(("level", "pct"), [(6, 100), (3, 50), (1, 16), (0, 0), (77, 77)])
def test_a_battery_in_sixths_or_per_cent(tracker, level, pct):
    assert tracker.sends(heartbeat(level=level)).events == [("battery", pct)]


def test_a_battery_of_255_is_none(tracker):
    assert tracker.sends(heartbeat(level=255)).events == []


@pytest.mark.parametrize("flags", [0x0400, 0x0000])
def test_an_invalid_fix_is_stale(tracker, flags):
    said = tracker.sends(answer(0x12, 5, place(flags=flags) + CELL))
    assert (said.events, said.names) == ([], {"stale fix"})


def test_zero_zero_is_no_place(tracker):
    assert tracker.sends(answer(0x12, 5, place(lat=0, lng=0) + CELL)).names == {"stale fix"}


def test_south_and_west(tracker):
    said = tracker.sends(answer(0x12, 5, place(flags=0x1800) + CELL))
    assert said.value("position") == {"lat": -31.2, "lng": -121.5, "source": "gnss"}


def test_a_clock_that_says_its_offset_is_understood():
    line = Line("gt06")
    east_8 = (800 << 4).to_bytes(2, "big")
    line.sends(answer(0x01, 1, bytes.fromhex("0" + IMEI) + b"\x36\x08" + east_8))
    said = line.sends(answer(0x16, 2, place(hour=10) + CELL + bytes([0x40, 5, 4, SOS, 2])))
    assert {"type": "sos", "at": "2026-07-01T02:40:00+00:00"} in said.raw


def test_a_clock_hours_ahead_rings_now(tracker):
    said = tracker.sends(answer(0x16, 2, place(hour=10) + CELL + bytes([0x40, 5, 4, SOS, 2])))
    assert {"type": "sos"} in said.raw
    assert "wrong clock" in said.names


def test_a_pendants_pedometer(tracker):
    content = bytes([0x40, 0, 0, 4, 30, 4, 2, 0, 0]) + struct.pack(">I", 600) + bytes([79, 0, 1])
    said = tracker.sends(answer(0xA3, 2, content + bytes(3)))
    assert dict(said.events) == {"steps": 600, "battery": 79, "motion": True}


def test_wrong_check_sums_are_refused_unanswered_and_a_cry_in_them_rings_as_doubtful(tracker):
    def damaged(frame: bytes) -> bytes:
        return frame[:-4] + bytes([frame[-4] ^ 0xFF]) + frame[-3:]

    pressed = tracker.sends(damaged(alarm(SOS)))
    assert (pressed.suspect, pressed.reply, pressed.reasons) == (["sos"], b"", ["the check sum is wrong"])
    assert tracker.sends(damaged(alarm(FALL))).suspect == ["fall"]
    assert tracker.sends(damaged(alarm(LOW))).events == []
    assert tracker.sends(damaged(heartbeat())).events == []


def test_an_alarm_too_short_to_be_read_rings_as_doubtful(tracker):
    assert tracker.sends(answer(0x16, 2, place())).suspect == ["sos"]


def test_a_press_before_any_login_rings_for_nobody_known():
    said = Line("gt06").sends(alarm(SOS))
    assert (said.devices, "sos" in dict(said.events)) == ([None], True)


def test_access_points_without_a_check_sum_are_named_and_answered_in_kind(tracker):
    content = bytes([2, 0x69]) + bytes.fromhex("260701024000") + bytes(14) + bytes(4)
    said = tracker.sends(b"xx" + content + b"\r\n")
    assert said.names == {"network"}
    assert said.reply == bytes.fromhex("78780069260701024000") + b"\r\n"


def test_a_device_that_asks_for_the_time_gets_it(tracker):
    assert tracker.sends(answer(0x8A, 4)).reply == answer(0x8A, 4, bytes([26, 7, 1, 2, 40, 0]))


@pytest.mark.parametrize(("kind", "name"), [(0x15, "acknowledgement"), (0x28, "network"), (0x94, "configuration")])
def test_other_messages_are_named(tracker, kind, name):
    assert tracker.sends(answer(kind, 4, bytes(30))).names == {name}


def test_an_unknown_message_is_refused_and_answered(tracker):
    said = tracker.sends(answer(0x7E, 4, bytes(3)))
    assert ("not known" in said.reasons[0], said.reply) == (True, answer(0x7E, 4))


def test_a_stream_is_cut_into_frames_however_it_arrives():
    stream = b"\x00" + LOGIN + alarm(SOS) + answer(0x21, 3, b"text\r\n", is_long=True) + heartbeat()
    whole, rest = split(stream)
    assert (len(whole), rest) == (4, b"")
    frames, buffer = [], b""
    for octet in stream:
        found, buffer = split(buffer + bytes([octet]))
        frames += found
    assert frames == whole


@pytest.mark.parametrize("promised", [1, 200])
def test_an_alarm_behind_a_frame_with_a_wrong_length_does_not_wait(promised):
    liar = bytearray(heartbeat())
    liar[2] += promised
    assert split(bytes(liar) + alarm(SOS))[0][-1] == alarm(SOS)


def test_the_time_of_these_tests_is_the_one_in_the_vectors():
    assert f"{NOW:%y%m%d%H%M}" == "2607010240"
