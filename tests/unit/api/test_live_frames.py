import json
from datetime import datetime, timedelta, timezone

import pytest

from api.live import frames
from api.live.client import FrameError, Ping, Renewal, Seat, Shown, read_first, read_frame
from api.live.frames import Signal, alert_frame, can_resume

AT = datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))


def test_a_frame_is_json_in_which_only_prev_differs():
    frame = alert_frame("alert.opened", 7, AT, {"title": '紧急"呼叫', "seq": 7})
    first, second = json.loads(frame.text(6)), json.loads(frame.text(3))
    assert first == {
        "type": "alert.opened",
        "seq": 7,
        "prev": 6,
        "at": "2026-03-01T02:00:00.123Z",
        "data": {"title": '紧急"呼叫', "seq": 7},
    }
    assert second == {**first, "prev": 3}


def test_a_pong_has_the_fields_of_a_heartbeat():
    beat = json.loads(frames.signal_text(Signal.HEARTBEAT, 5, AT, "1"))
    pong = json.loads(frames.signal_text(Signal.PONG, 5, AT, "1"))
    assert beat == {"type": "heartbeat", "seq": 5, "server_time": "2026-03-01T02:00:00.123Z"}
    assert beat.items() - {("type", "heartbeat")} <= pong.items()


def test_the_reason_of_4429_fits_a_close_frame():
    reason = frames.too_slow_reason(2**62)
    assert json.loads(reason) == {"after": 2**62}
    assert len(reason.encode()) <= 123


@pytest.mark.parametrize(
    ("after", "snapshot", "oldest", "resumes"),
    [
        (10, 10, 1, True),
        (0, 10, 1, True),
        (4, 10, 5, True),
        (3, 10, 5, False),  # event 4 is gone
        (11, 10, 1, False),  # another database's number
        (-1, 10, 1, False),
        (0, 0, 1, True),  # nothing happened yet
        (0, 5000, 1, False),  # too much to send: the snapshot is quicker
    ],
)
def test_a_stream_resumes_only_when_nothing_would_be_left_out(after: int, snapshot: int, oldest: int, resumes: bool):
    assert can_resume(after, snapshot=snapshot, oldest_kept=oldest, most=1000) is resumes


def test_what_a_client_may_say():
    assert read_frame('{"type":"ping"}') == Ping(type="ping")
    assert read_frame('{"type":"shown","alert":"a-1","seq":3}') == Shown(type="shown", alert="a-1", seq=3)
    assert read_frame('{"type":"seat","audible":true,"visible":false,"idle_s":9}') == Seat(
        type="seat", audible=True, visible=False, idle_s=9
    )
    assert read_frame('{"token":"x"}') == Renewal(token="x")
    assert read_frame('{"type":"ping","later":"invention"}') == Ping(type="ping")
    assert read_first('{"token":"x","after":4}').after == 4


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "bad_json"),
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("[" * 10_000, "bad_json"),
        ("{}", "unknown_type"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":["ping"]}', "unknown_type"),
        ('{"type":"shown"}', "bad_frame"),
        ('{"type":"shown","alert":"张小芳","seq":3}', "bad_frame"),
        ('{"type":"seat","idle_s":-1}', "bad_frame"),
        ('{"token":5}', "bad_frame"),
    ],
)
def test_what_a_client_may_not_say_has_a_code(text: str | None, code: str):
    with pytest.raises(FrameError) as caught:
        read_frame(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "text", [None, "{}", '{"token":""}', '{"token":"x","after":"1e9"}', '{"token":"x","after":-1}']
)
def test_a_first_message_without_a_token_or_with_a_wrong_position_is_refused(text: str | None):
    with pytest.raises(FrameError):
        read_first(text)
