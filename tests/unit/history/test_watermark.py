"""How far the roller goes in one step."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from history.resolution import HOUR, MINUTE, floor
from history.watermark import LONGEST_STEP, close_at, next_end, next_step

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_minute_is_closed_when_it_has_been_over_for_the_lateness():
    assert close_at(START + timedelta(seconds=119), 60) == START
    assert close_at(START + timedelta(seconds=120), 60) == START + MINUTE


@given(st.integers(0, 5000), st.integers(1, 90_000), st.integers(1, 24))
def test_steps_go_forwards_and_never_past_what_is_settled(since_minute, ahead, step_hours):
    since = START + MINUTE * since_minute
    settled = since + MINUTE * ahead
    step = HOUR * step_hours
    end = next_end(since, step, settled)
    assert since < end <= settled
    assert end - since <= step
    assert end == settled or end == floor(end, HOUR)


def test_steps_grow_while_they_are_quick_and_shrink_when_they_are_not():
    step = HOUR
    for _ in range(9):
        step = next_step(step, 0.1)
    assert step == LONGEST_STEP
    for _ in range(9):
        step = next_step(step, 9.0)
    assert step == HOUR
