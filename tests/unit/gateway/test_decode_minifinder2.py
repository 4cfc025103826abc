"""EV-07B pendants: vectors written by hand from the protocol, with an IMEI of nobody's."""

import struct

import pytest

from gateway.decoders.minifinder2 import split
from gateway.decoders.octets import crc_xmodem
from tests.unit.gateway.words import NOW, Line

IMEI = "990000000000017"
AT = int(NOW.timestamp())
SOS, FALL, LOW = 1 << 12, 1 << 2, 1


def item(key: int, value: bytes) -> bytes:
    return bytes([len(value) + 1, key]) + value


def body(*items: bytes, kind: int = 1) -> bytes:
    return bytes([kind]) + b"".join(items)


def frame(content: bytes, *, flags: int = 0x10, index: int = 7) -> bytes:
    return struct.pack("<BBHHH", 0xAB, flags, len(content), crc_xmodem(content), index) + content


def name() -> bytes:
    return item(0x01, IMEI.encode())


def status(at: int = AT, *, battery: int = 70, bits: int = 0) -> bytes:
    return item(0x24, struct.pack("<II", at, battery << 24 | bits))


def alarm(bits: int, at: int | None = AT) -> bytes:
    return item(0x02, struct.pack("<I", bits) + (b"" if at is None else struct.pack("<I", at)))


def gps(lat: float = 31.2, lng: float = 121.5, *, precision: int = 12) -> bytes:
    place = struct.pack("<ii", round(lat * 1e7), round(lng * 1e7))
    return item(0x20, place + struct.pack("<HHhHIB", 3, 90, 12, precision, 5, 9))


@pytest.fixture
def pendant():
    return Line("minifinder2")


def test_an_sos_rings_with_its_time_and_is_answered(pendant):
    said = pendant.sends(frame(body(name(), status(), alarm(SOS), gps())))
    assert {"type": "sos", "at": "2026-07-01T02:40:00+00:00"} in said.raw
    assert said.value("position") == {"lat": 31.2, "lng": 121.5, "source": "gnss"}
    assert said.devices == [IMEI]
    assert said.reply == frame(bytes([0x7F, 1, 0]), flags=0)


@pytest.mark.parametrize(
    ("bits", "event"),
    [
        (FALL, ("fall", None)),
        (LOW, ("battery", 10)),
        (1 << 13, ("help_request", None)),
        (1 << 8, ("fault", {"code": "switched_off"})),
    ],
)
def test_the_other_alarms(pendant, bits, event):
    assert event in pendant.sends(frame(body(name(), alarm(bits)))).events


def test_a_fence_of_the_pendants_own_is_named(pendant):
    assert pendant.sends(frame(body(name(), alarm(1 << 4)))).names == {"own rule"}


def test_an_alarm_without_a_time_has_its_records(pendant):
    said = pendant.sends(frame(body(name(), status(AT - 40), alarm(SOS, None))))
    assert said.raw[0] == {"type": "sos", "at": "2026-07-01T02:39:20+00:00"}


def test_an_alarm_sent_again_rings_once_and_another_press_again(pendant):
    pendant.sends(frame(body(name(), alarm(SOS))))
    assert pendant.sends(frame(body(name(), alarm(SOS))), after_s=8).names == {"resent"}
    assert pendant.sends(frame(body(name(), alarm(SOS, AT + 20))), after_s=20).events == [("sos", None)]


def test_a_batch_with_two_presses_sent_again_rings_twice_and_not_four_times(pendant):
    batch = frame(body(name(), status(AT - 50), alarm(SOS, AT - 50), status(AT - 20), alarm(SOS, AT - 20)))
    assert [kind for kind, _ in pendant.sends(batch).events].count("sos") == 2
    assert "sos" not in dict(pendant.sends(batch, after_s=15).events)


def test_a_wrong_check_sum_is_refused_unanswered_and_a_press_in_it_rings_as_doubtful(pendant):
    pendant.sends(frame(body(name(), status())))
    damaged = bytearray(frame(body(name(), alarm(SOS))))
    damaged[-1] ^= 0xFF
    said = pendant.sends(bytes(damaged))
    assert (said.suspect, said.reply, said.reasons) == (["sos"], b"", ["the check sum is wrong"])
    quiet = bytearray(frame(body(name(), status())))
    quiet[-1] ^= 0xFF
    assert pendant.sends(bytes(quiet)).events == []


def test_a_batch_of_records_keeps_the_time_of_each(pendant):
    moving, stored = 1 << 9, 1 << 7
    said = pendant.sends(
        frame(body(name(), status(AT - 900, bits=stored), gps(31.1), status(AT - 600, bits=stored | moving), gps(31.3)))
    )
    assert [event["at"][11:16] for event in said.raw if event["type"] == "position"] == ["02:25", "02:30"]
    assert [value for kind, value in said.events if kind == "motion"] == [False, True]


def test_moving_told_again_is_no_new_movement(pendant):
    pendant.sends(frame(body(name(), status(bits=1 << 9))))
    said = pendant.sends(frame(body(name(), status(AT + 10, bits=1 << 9))), after_s=10)
    assert "motion" not in dict(said.events)


@pytest.mark.parametrize("fix", [gps(0, 0), gps(precision=0)])
def test_no_fix_is_no_place(pendant, fix):
    said = pendant.sends(frame(body(name(), status(), fix)))
    assert "position" not in dict(said.events)
    assert "stale fix" in said.names


def test_a_beacon_that_knows_where_it_hangs_is_a_place(pendant):
    place = struct.pack("<ii", 312000000, 1215000000)
    said = pendant.sends(frame(body(name(), status(), item(0x23, bytes(6) + place))))
    assert said.value("position")["source"] == "beacon"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [(0x40, 72, ("heart_rate", 72)), (0x40, 1, None), (0x41, 96, ("spo2", 96)), (0x41, 50, None), (0x41, 0, None)],
)
def test_vital_signs_and_their_words_for_none(pendant, key, value, expected):
    said = pendant.sends(frame(body(name(), item(key, struct.pack("<IB", AT - 5, value)))))
    assert said.events == ([expected] if expected else [])
    assert said.names == (set() if expected else {"no reading"})


def test_steps_are_told(pendant):
    assert pendant.sends(frame(body(name(), item(0x30, struct.pack("<II", AT, 1200))))).events == [("steps", 1200)]


def test_only_radio_cells_is_the_network(pendant):
    assert pendant.sends(frame(body(name(), item(0x22, bytes(7))))).names == {"network"}


@pytest.mark.parametrize(("kind", "name_"), [(2, "configuration"), (4, "acknowledgement"), (0x7F, "acknowledgement")])
def test_other_messages_of_a_known_pendant_are_named(pendant, kind, name_):
    pendant.sends(frame(body(name())))
    said = pendant.sends(frame(body(item(1, bytes(4)), kind=kind), flags=0))
    assert (said.devices, said.names, said.reply) == ([IMEI], {name_}, b"")


def test_a_pendant_that_asks_for_the_time_gets_it(pendant):
    said = pendant.sends(frame(body(name(), item(0x12, b""), kind=3)))
    assert said.names == {"request"}
    assert said.reply[8:] == bytes([3, 5, 0x12]) + struct.pack("<I", AT)


def test_a_stream_is_cut_into_frames_however_it_arrives():
    stream = b"\x00\x01" + frame(body(name(), status())) + frame(body(name(), alarm(SOS)))
    whole, rest = split(stream)
    assert (len(whole), rest) == (2, b"")
    frames, buffer = [], b""
    for octet in stream:
        found, buffer = split(buffer + bytes([octet]))
        frames += found
    assert frames == whole


def test_an_alarm_behind_a_frame_with_a_wrong_length_does_not_wait():
    liar = bytearray(frame(body(name(), status())))
    liar[2:4] = (500).to_bytes(2, "little")
    pressed = frame(body(name(), alarm(SOS)))
    assert split(bytes(liar) + pressed) == ([bytes(liar), pressed], b"")
