"""One clock for a stack."""

from datetime import UTC, datetime, timedelta

import pytest

from core.runtime.clock import Clock, HandClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_hand_clock_moves_only_when_it_is_moved_and_never_back():
    clock = HandClock(START)
    assert clock.now() == clock.now() == START
    assert clock.advance(timedelta(minutes=5)) == START + timedelta(minutes=5)
    with pytest.raises(ValueError, match="forwards"):
        clock.advance(timedelta(seconds=-1))


def test_a_fast_clock_needs_less_real_time():
    assert Clock(START, rate=60).real_seconds(120) == 2
    assert Clock(START, rate=60).now() >= START


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(ValueError, match="rate"):
        Clock(START, rate=0)
