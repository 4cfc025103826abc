"""H02: vectors written by hand from the protocol, with an id of nobody's."""

import pytest

from gateway.decoders.h02 import split
from tests.unit.gateway.words import Line

ID = "9900000017"
QUIET, SOS, SOS_2, POWER_CUT, SPEED = "FFFFFBFF", "FFFFFBFD", "FFFBFBFF", "FFF7FBFF", "FFFFFBFB"


def place(status: str = QUIET, *, valid: str = "A", kind: str = "V1", clock: str = "024000") -> bytes:
    fix = f"{clock},{valid},3112.0000,N,12130.0000,E,0.00,090,010726"
    return f"*HQ,{ID},{kind},{fix},{status},460,0,11,22#".encode()


def binary(status: str = QUIET, *, flags: int = 0xE, battery: int = 6) -> bytes:
    moment, lat, lng = "024000010726", "31120000", "121300000"
    return bytes.fromhex(f"24{ID}{moment}{lat}{battery:02x}{lng}{flags:x}000000{status}000001")


@pytest.fixture
def tracker():
    return Line("h02")


@pytest.mark.parametrize("status", [SOS, SOS_2])
@pytest.mark.parametrize("form", [place, binary])
def test_an_sos_rings_with_its_time_and_place(tracker, form, status):
    said = tracker.sends(form(status))
    assert {"type": "sos", "at": "2026-07-01T02:40:00+00:00"} in said.raw
    assert said.value("position") == {"lat": 31.2, "lng": 121.5, "source": "gnss"}
    assert said.devices == [ID]


def test_the_call_that_stands_in_every_report_is_one_alert(tracker):
    tracker.sends(place(SOS))
    assert "standing" in tracker.sends(place(SOS, clock="024100"), after_s=60).names
    tracker.sends(place(clock="024200"), after_s=60)
    assert "sos" in dict(tracker.sends(place(SOS, clock="024300"), after_s=60).events)


def test_lost_power_comes_and_goes_and_speed_is_the_devices_own_rule(tracker):
    assert ("mains", False) in tracker.sends(place(POWER_CUT)).events
    assert ("mains", True) in tracker.sends(place(clock="024100"), after_s=60).events
    assert "own rule" in tracker.sends(place(SPEED, clock="024200"), after_s=60).names


def test_what_is_waited_for_is_sent(tracker):
    assert tracker.sends(place()).reply == f"*HQ,{ID},V4,V1,20260701024000#".encode()
    assert tracker.sends(binary()).reply == b""


@pytest.mark.parametrize("frame", [place(valid="V"), binary(flags=0xC), place().replace(b"3112.0000,N", b",N")])
def test_an_invalid_fix_is_stale(tracker, frame):
    said = tracker.sends(frame)
    assert "position" not in dict(said.events)
    assert "stale fix" in said.names


@pytest.mark.parametrize(("battery", "pct"), [(6, 100), (3, 20), (1, 0), (77, 77)])
def test_a_battery_in_steps_or_per_cent(tracker, battery, pct):
    assert tracker.sends(binary(battery=battery)).value("battery") == pct


@pytest.mark.parametrize("battery", [0, 255])
def test_a_battery_of_nothing_is_none(tracker, battery):
    assert "battery" not in dict(tracker.sends(binary(battery=battery)).events)


def test_south_and_west_and_degrees_apart(tracker):
    said = tracker.sends(place().replace(b"3112.0000,N,12130.0000,E", b"-31-12.0000,S,-121-30.0000,W"))
    assert said.value("position") == {"lat": -31.2, "lng": -121.5, "source": "gnss"}


@pytest.mark.parametrize(
    ("content", "events", "names"),
    [
        (f"LINK,024000,20,8,67,1200,37,010726,{QUIET}", [("battery", 67), ("steps", 1200)], set()),
        ("HTBT,90", [("battery", 90)], set()),
        ("HTBT", [], {"heartbeat"}),
        (f"NBR,024000,460,0,1,1,11,22,33,010726,{QUIET}", [], {"network"}),
        (f"NBR,024000,460,0,1,1,11,22,33,010726,{SOS}", [("sos", None)], {"network"}),
        ("SMS,hello", [], {"acknowledgement"}),
    ],
)
def test_the_other_messages(tracker, content, events, names):
    said = tracker.sends(f"*HQ,{ID},{content}#".encode())
    assert (said.events, said.names) == (events, names)


def test_what_is_not_known_is_refused(tracker):
    assert "not known" in tracker.sends(f"*HQ,{ID},QQ,1#".encode()).reasons[0]
    assert "no message" in tracker.sends(b"*HQ#").reasons[0]


def test_a_stream_of_sentences_is_cut_however_it_arrives():
    stream = place() + b"\r\n" + place(SOS)
    whole, rest = split(stream)
    assert (whole, rest) == ([place(), place(SOS)], b"")
    frames, buffer = [], b""
    for octet in stream:
        found, buffer = split(buffer + bytes([octet]))
        frames += found
    assert frames == whole


def test_binary_reports_are_cut_where_the_next_begins():
    short, long = binary(), binary() + bytes(13)
    assert (len(short), len(long)) == (32, 45)
    assert split(short + short + place()) == ([short, short, place()], b"")
    assert split(long + place()) == ([long, place()], b"")
