"""Identifiers and the time inside them."""

from datetime import UTC, datetime, timedelta

import pytest

from core.domain.ids import new_id, time_inside

AT = datetime(2026, 11, 23, 2, 40, 0, 123000, tzinfo=UTC)


def test_our_ids_are_uuid_version_7_and_carry_their_instant():
    made = new_id(AT)
    assert made.version == 7
    assert time_inside(str(made)) == AT


def test_ids_made_later_sort_later_and_ids_of_one_instant_differ():
    assert new_id(AT) < new_id(AT + timedelta(milliseconds=1))
    assert len({new_id(AT) for _ in range(1000)}) == 1000


def test_the_time_of_the_published_ulid_example_is_read():
    # 01ARZ3NDEKTSV4RRFFQ69G5FAV of the ULID specification's README
    assert time_inside("01ARZ3NDEKTSV4RRFFQ69G5FAV") == datetime(2016, 7, 30, 23, 54, 10, 259000, tzinfo=UTC)
    assert time_inside("01arz3ndektsv4rrffq69g5fav") == time_inside("01ARZ3NDEKTSV4RRFFQ69G5FAV")


@pytest.mark.parametrize(
    "plain",
    [
        "",
        "42",
        "x" * 26,
        "81ARZ3NDEKTSV4RRFFQ69G5FAV",
        "2c5f1f0e-6f0d-4a9b-8f6a-2b8f4a1f9c3d",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
    ],
)
def test_other_ids_hold_no_time(plain):
    assert time_inside(plain) is None
