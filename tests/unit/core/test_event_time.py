"""Times as devices write them: the short way for the usual form reads what the strict way reads."""

from datetime import UTC, datetime

import pytest

from core.contract.event_time import SECOND, _parse_any_time, micros, parse_time


@pytest.mark.parametrize(
    "text",
    [
        "2026-08-01T12:00:00.000Z",
        "2026-08-01T12:00:00.999999Z",
        "2099-12-31T23:59:59.999Z",
        "2000-02-29T00:00:00.001Z",
        "2026-12-31T23:59:60.500Z",  # a leap second
        "2026-02-29T00:00:00.000Z",
        "2026-08-01T24:00:00.000Z",
        "2026-08-01T12:00:00,000Z",
        "2026-08-01T12:00:00.00+Z",
        "2026-08-01T12:00:00.0\u06600Z",
        "2026-08-01T1 :00:00.000Z",
        "+026-08-01T12:00:00.000Z",
        "2026-08-01T12:00:00.000z",
        "1969-12-31T23:59:59.999Z",
    ],
)
def test_the_usual_form_is_read_as_strictly_as_any_other(text):
    assert parse_time(text) == _parse_any_time(text)


def test_a_leap_second_is_the_second_after_and_an_offset_is_taken_off():
    assert parse_time("2026-12-31T23:59:60.500Z") == micros(datetime(2026, 12, 31, 23, 59, 59, 500_000, UTC)) + SECOND
    assert parse_time("2026-08-01T20:00:00+08:00") == micros(datetime(2026, 8, 1, 12, tzinfo=UTC))
