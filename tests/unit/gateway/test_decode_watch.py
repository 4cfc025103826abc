"""SOS watches: vectors written by hand from the protocol, with an id of nobody's."""

from datetime import UTC, datetime

import pytest

from gateway.decoders.watch_frame import split
from tests.unit.gateway.words import NOW, Line

ID = "5550001234"


def frame(content: str, *, maker: str = "3G", index: str = "", length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return f"[{maker}*{ID}*{index}{size:04X}*{content}]".encode()


def report(kind: str, status: str = "00000000", *, battery: int = 80, valid: str = "A", at: datetime = NOW) -> bytes:
    place = f"{valid},31.200000,N,121.500000,E"
    tail = f"0.0,0.0,0.0,7,90,{battery},1200,37,{status},1,1,460,0,11,22,33"
    return frame(f"{kind},{at:%d%m%y},{at:%H%M%S},{place},{tail}")


@pytest.fixture
def watch():
    return Line("watch")


def test_an_sos_rings_with_its_time_and_place_and_is_answered(watch):
    said = watch.sends(report("AL", "00010000"))
    assert said.raw[0] == {"type": "sos", "at": "2026-07-01T02:40:00+00:00"}
    assert said.value("position") == {"lat": 31.2, "lng": 121.5, "source": "gnss"}
    assert (said.devices, said.reply) == ([ID], b"[3G*5550001234*0002*AL]")


@pytest.mark.parametrize(
    ("status", "event"),
    [("00200000", ("fall", None)), ("00400000", ("fall", None)), ("00100000", ("worn", False))],
)
def test_a_fall_and_a_watch_taken_off_are_told(watch, status, event):
    said = watch.sends(report("AL_LTE", status))
    assert said.events[0] == event
    assert "sos" not in dict(said.events)


@pytest.mark.parametrize("status", ["00000001", "00020000"])
def test_a_low_battery_is_told_as_low_although_the_number_says_otherwise(watch, status):
    said = watch.sends(report("AL", status, battery=90))
    assert said.value("battery") == 10
    assert "sos" not in dict(said.events)
    for believed in (4, 19):
        assert Line("watch").sends(report("UD", status, battery=believed)).value("battery") == believed


def test_an_alarm_of_no_kind_rings_as_a_doubtful_cry(watch):
    assert watch.sends(report("AL", "00000000")).suspect == ["sos"]


def test_an_alarm_sent_again_because_its_answer_was_lost_rings_once(watch):
    press = report("AL", "00010000")
    watch.sends(press)
    again = watch.sends(press, after_s=10)
    assert ("sos" in dict(again.events), again.reply) == (False, b"[3G*5550001234*0002*AL]")
    assert "resent" in again.names


def test_the_same_alarm_after_a_minute_rings_again_for_the_clock_may_stand_still(watch):
    press = report("AL", "00010000")
    watch.sends(press)
    assert "sos" in dict(watch.sends(press, after_s=61).events)


def test_a_second_press_rings_again(watch):
    watch.sends(report("AL", "00010000"))
    assert "sos" in dict(watch.sends(report("AL", "00010000", at=NOW.replace(second=9)), after_s=9).events)


def test_a_report_that_repeats_the_alarm_bit_is_no_second_alert_and_not_lost_when_it_comes_first(watch):
    watch.sends(report("AL", "00010000"))
    assert "standing" in watch.sends(report("UD", "00010000"), after_s=30).names
    assert "sos" in dict(Line("watch").sends(report("UD", "00010000")).events)


def test_a_press_kept_without_a_line_rings_with_its_own_time(watch):
    said = watch.sends(report("UD2", "00010000", at=NOW.replace(hour=1)))
    assert said.raw[0] == {"type": "sos", "at": "2026-07-01T01:40:00+00:00"}


def test_a_watch_with_an_impossible_clock_still_rings_now(watch):
    said = watch.sends(report("AL", "00010000", at=datetime(2000, 1, 1, tzinfo=UTC)))
    assert said.raw[0] == {"type": "sos"}
    assert "wrong clock" in said.names


def test_a_report_kept_without_a_line_does_not_ring_a_press_again_that_was_over(watch):
    watch.sends(report("AL", "00010000"))
    watch.sends(report("UD", at=NOW.replace(minute=42)), after_s=120)
    late = watch.sends(report("UD2", "00010000", at=NOW.replace(second=20)), after_s=5)
    assert "standing" in late.names


def test_rolls_in_bed_are_no_falls(watch):
    assert "fall" not in dict(watch.sends(report("UD")).events)


def test_an_invalid_fix_is_stale(watch):
    said = watch.sends(report("UD", valid="V"))
    assert "position" not in dict(said.events)
    assert "stale fix" in said.names


def test_the_southern_and_western_hemisphere_and_signed_degrees(watch):
    south = report("UD").replace(b"N,121.500000,E", b"S,121.500000,W")
    assert watch.sends(south).value("position")["lat"] == -31.2
    signed = report("UD").replace(b"31.200000,N,121.500000,E", b"-31.200000,N,-121.500000,E")
    assert watch.sends(signed).value("position")["lng"] == -121.5


@pytest.mark.parametrize(
    ("content", "events", "names"),
    [
        ("heart,72", [("heart_rate", 72)], set()),
        ("heart,0", [], {"no reading"}),
        ("PULSE,65", [("heart_rate", 65)], set()),
        ("oxygen,0,97", [("spo2", 97)], set()),
        ("oxygen,0,50", [], {"no reading"}),
        ("bphrt,120,80,70", [("blood_pressure", {"systolic": 120, "diastolic": 80, "pulse": 70})], set()),
        ("BLOOD,118,76", [("blood_pressure", {"systolic": 118, "diastolic": 76})], set()),
        ("BPHRT,0,0,0", [], {"no reading"}),
        ("btemp2,0,31.2", [], {"no reading"}),
        ("LK,1200,37,85", [("steps", 1200), ("battery", 85)], set()),
        ("LK,1200,37,255", [("steps", 1200)], {"no reading"}),
        ("LK", [], {"heartbeat"}),
        ("TKQ", [], {"request"}),
        ("TK,#!AMR", [], {"media"}),
        ("VERNO,G9", [], {"configuration"}),
        ("CENTER", [], {"acknowledgement"}),
    ],
)
def test_the_other_messages(watch, content, events, names):
    said = watch.sends(frame(content))
    assert (said.events, said.names) == (events, names)


@pytest.mark.parametrize("content", ["TEMP,36.5", "btemp2,1,36.5"])
def test_the_warmth_of_a_wrist_is_doubtful(watch, content):
    assert watch.sends(frame(content)).raw == [{"type": "body_temperature", "value": 36.5, "quality": "suspect"}]


@pytest.mark.parametrize(("content", "answer"), [("LK", "LK"), ("INIT,8", "INIT,1"), ("TKQ2", "TKQ2")])
def test_what_the_watch_waits_for_is_sent_with_its_index(watch, content, answer):
    said = watch.sends(frame(content, maker="ZJ", index="0012*"))
    assert said.reply == f"[ZJ*{ID}*0012*{len(answer):04x}*{answer}]".encode()


def test_a_cut_off_alarm_rings_as_doubtful(watch):
    said = watch.sends(frame("AL,010726,0240"))
    assert (said.suspect, len(said.reasons)) == (["sos"], 1)


def test_an_unknown_message_is_refused(watch):
    assert "not known" in watch.sends(frame("QQQ,1")).reasons[0]


# -- the stream


def test_a_stream_is_cut_into_frames_however_it_arrives():
    stream = frame("LK") + b"\r\n" + report("UD") + frame("heart,70")
    whole, rest = split(stream)
    assert (len(whole), rest) == (3, b"")
    frames, buffer = [], b""
    for octet in stream:
        found, buffer = split(buffer + bytes([octet]))
        frames += found
    assert frames == whole


def test_brackets_in_the_name_of_an_access_point_do_not_cut_a_frame():
    tricky = frame("UD,x,1,[my] wifi],00:00")
    assert split(tricky + frame("LK")) == ([tricky, frame("LK")], b"")


@pytest.mark.parametrize("wrong", [-5, -1, 1, 8])
def test_a_wrong_length_delays_no_alarm(wrong):
    alarm = report("AL", "00010000")
    content = alarm[alarm.index(b"AL") : -1].decode()
    crooked = frame(content, length=len(content) + wrong)
    assert split(crooked) == ([crooked], b"")
    assert split(crooked + frame("LK"))[0] == [crooked, frame("LK")]


def test_voice_is_read_with_its_escapes():
    content = b"TK,#!AMR" + b"}\x02}\x03}\x01"
    sent = b"[3G*5550001234*%04x*%s]" % (len(content), content)
    assert split(sent) == ([sent], b"")
    assert Line("watch").sends(sent).names == {"media"}


def test_a_stream_of_nonsense_is_not_kept():
    assert split(b"GET / HTTP/1.1\r\n") == ([], b"")
    assert split(b"[" + b"x" * 100_000) == ([], b"")
