"""The replay's timing, its pace and its accounting."""

from datetime import UTC, datetime, timedelta

import pytest

from simulators.receipts import Receipt, parse_receipt
from simulators.replay_cli import main
from simulators.replay_plan import BURST, TOO_NEW, TOO_OLD, Allowance, Timing
from simulators.replay_tally import Tally

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("speed", [1.0, 60.0, 1000.0, None])
def test_nothing_lies_in_the_future_when_it_is_played_and_the_end_is_now(speed):
    timing = Timing(NOW, 20 * DAY, speed)
    for offset in (timedelta(0), DAY, 19 * DAY, 20 * DAY):
        played_at = NOW + timedelta(seconds=timing.wall_s(offset))
        assert timing.at(offset) <= played_at
        assert timing.skipped(offset) is None
    assert timing.at(20 * DAY) == NOW + timedelta(seconds=timing.wall_s(20 * DAY))


def test_at_speed_1_each_reading_is_as_old_as_when_it_was_made():
    timing = Timing(NOW, timedelta(hours=1), 1.0)
    assert timing.at(timedelta(0)) == NOW


def test_of_a_long_recording_the_last_30_days_are_played():
    timing = Timing(NOW, 90 * DAY, None)
    assert timing.skipped(59 * DAY) == TOO_OLD
    assert timing.skipped(61 * DAY) is None


def test_a_chosen_start_plays_the_beginning_and_leaves_out_what_would_lie_in_the_future():
    timing = Timing(NOW, 90 * DAY, None, NOW - 29 * DAY)
    assert timing.at(timedelta(0)) == NOW - 29 * DAY
    assert timing.skipped(29 * DAY) is None
    assert timing.skipped(30 * DAY) == TOO_NEW


def test_one_device_may_burst_and_then_keeps_below_the_contracts_50_a_second():
    allowance = Allowance()
    now, sent = 0.0, 0
    while now < 60:
        now += allowance.wait_s("a", now)
        sent += 1
    assert BURST < sent < 3000 + 50 * 60
    assert sent > BURST + 40 * 60 * 0.95
    assert allowance.wait_s("b", now) == 0


def test_a_receipt_is_read_and_a_rejected_message_counts_for_each_of_its_events():
    receipt = parse_receipt(b'{"accepted": 2, "duplicate": 1, "rejected": [{"index": 3, "reason": "bad_value"}]}')
    assert receipt == Receipt(2, 1, ((3, "bad_value"),))
    assert receipt.answers(4) and not receipt.answers(5)
    assert Receipt(0, 0, ((None, "too_large"),)).reasons(7) == {"too_large": 7}


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'{"accepted": 1}', b"\xff", b'{"accepted":1,"duplicate":0,"rejected":[1]}']
)
def test_what_is_no_receipt_is_a_value_error(payload):
    with pytest.raises(ValueError):
        parse_receipt(payload)


def test_the_sum_closes_only_when_every_reading_has_an_end():
    tally = Tally(read=10)
    tally.skipped["no reading"] = 2
    tally.settle(5, Receipt(3, 1, ((0, "unknown_child"),)))
    assert not tally.closes and tally.missing == 3
    tally.settle(3, Receipt(0, 3, ()))
    assert tally.closes


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["/nowhere/at/all"], "There is no recording"),
        (["{file}", "--device", "d1"], "--password-file"),
        (["{file}", "--ready-file", "/nowhere/ready.json"], "No running demo"),
        (["{file}", "--device", "d1", "--password-file", "/nowhere/p"], "can't be read"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_sentence_with_exit_code_2(words, sentence, tmp_path, capsys):
    recording = tmp_path / "spo2.csv"
    recording.write_text("dateTime,spo2_value\n6/25/2024 10:15,97.3\n")
    assert main([word.format(file=recording) for word in words]) == 2
    told = capsys.readouterr().err
    assert sentence in " ".join(told.split())
    assert "Traceback" not in told
