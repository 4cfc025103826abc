"""IW and TRV watches: vectors written by hand from the protocol, with an IMEI of nobody's."""

import pytest

from gateway.decoders.iw_watch import split
from tests.unit.gateway.words import Line

IMEI = "990000000000017"
LOGIN = f"IWAP00{IMEI}#".encode()


def place(*, valid: str = "A", battery: int = 80, clock: str = "024000") -> str:
    return f"260701{valid}3112.0000N12130.0000E000.0{clock}090.00060009{battery:03}00102,460,0,11,22"


def alarm(code: str, **more) -> bytes:
    return f"IWAP10{place(**more)},{code},zh-cn,00#".encode()


@pytest.fixture
def watch():
    line = Line("iw_watch")
    line.sends(LOGIN)
    return line


def test_a_login_names_the_connection_and_is_answered_with_the_time():
    line = Line("iw_watch")
    said = line.sends(LOGIN)
    assert (said.devices, said.names, said.reply) == ([IMEI], {"login"}, b"IWBP00,20260701024000,0#")
    assert line.sends(b"IWAP49,70#").devices == [IMEI]


def test_an_sos_rings_with_its_time_and_place_and_is_answered(watch):
    said = watch.sends(alarm("01"))
    assert {"type": "sos", "at": "2026-07-01T02:40:00+00:00"} in said.raw
    assert said.value("position") == {"lat": 31.2, "lng": 121.5, "source": "gnss"}
    assert said.reply == b"IWBP10#"


@pytest.mark.parametrize(
    ("code", "event"),
    [("05", ("fall", None)), ("06", ("fall", None)), ("03", ("worn", False)), ("02", ("battery", 10))],
)
def test_the_other_alarms(watch, code, event):
    said = watch.sends(alarm(code))
    assert event in said.events
    assert "sos" not in dict(said.events)


def test_an_alarm_of_no_kind_or_cut_off_rings_as_doubtful_and_an_unknown_one_is_refused(watch):
    assert watch.sends(alarm("00")).suspect == ["sos"]
    assert watch.sends(b"IWAP10260701A31#", after_s=90).suspect == ["sos"]
    assert "not known" in watch.sends(alarm("44"), after_s=90).reasons[0]


def test_an_alarm_sent_again_rings_once(watch):
    watch.sends(alarm("01"))
    assert "resent" in watch.sends(alarm("01"), after_s=10).names
    assert ("sos", None) in watch.sends(alarm("01", clock="024020"), after_s=10).events


def test_an_invalid_fix_is_stale(watch):
    assert watch.sends(f"IWAP01{place(valid='V')}#".encode()).names == {"stale fix"}


@pytest.mark.parametrize(
    ("content", "events"),
    [
        ("AP49,68", [("heart_rate", 68)]),
        ("AP49,0", []),
        ("APHT,60,130,85", [("heart_rate", 60), ("blood_pressure", {"systolic": 130, "diastolic": 85})]),
        ("APHP,60,0,0,97,,36.5,,", [("heart_rate", 60), ("spo2", 97), ("body_temperature", 36.5)]),
        ("AP50,36.7,90", [("body_temperature", 36.7), ("battery", 90)]),
        ("AP03,05000707500102,1200,37", [("battery", 75), ("steps", 1200)]),
        ("CP01,05000707500102", [("battery", 75)]),
        ("AP02,zh_cn,0,1,460,0,1|2|3,0,", []),
    ],
)
def test_the_other_messages(watch, content, events):
    assert watch.sends(f"IW{content}#".encode()).events == events


def test_the_warmth_of_a_wrist_is_doubtful(watch):
    assert watch.sends(b"IWAP50,35.1,90#").suspect == ["body_temperature"]


def test_answers_to_commands_are_named_and_not_answered(watch):
    said = watch.sends(b"IWAP40,1#")
    assert (said.names, said.reply) == ({"acknowledgement"}, b"")


def test_a_stream_is_cut_into_messages_however_it_arrives():
    stream = LOGIN + b"\r\n" + alarm("01") + b"TRVAP01" + place().encode() + b"#"
    whole, rest = split(stream)
    assert (len(whole), rest) == (3, b"")
    frames, buffer = [], b""
    for octet in stream:
        found, buffer = split(buffer + bytes([octet]))
        frames += found
    assert frames == whole
