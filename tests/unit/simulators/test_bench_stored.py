"""Whether what a bench sent is what was stored."""

import pytest

from core.errors import Unavailable
from simulators.bench.stored import Tally, must_be_whole


def tally(accepted: int, duplicate: int) -> Tally:
    return Tally(accepted=accepted, duplicate=duplicate, rejected=0, ignored=0)


def test_each_distinct_reading_once_and_each_copy_a_duplicate_is_whole():
    must_be_whole(tally(99, 1), readings=100, distinct=99, stored=99)


@pytest.mark.parametrize(("accepted", "duplicate", "stored"), [(98, 1, 98), (99, 0, 99), (99, 1, 100), (99, 2, 99)])
def test_a_reading_lost_doubled_or_told_twice_is_said(accepted: int, duplicate: int, stored: int):
    with pytest.raises(Unavailable, match="are stored"):
        must_be_whole(tally(accepted, duplicate), readings=100, distinct=99, stored=stored)


def test_what_the_broker_delivered_again_may_be_told_twice_and_nothing_else():
    must_be_whole(tally(99, 20), readings=100, distinct=99, stored=99, redelivered=True)
    with pytest.raises(Unavailable, match="are stored"):
        must_be_whole(tally(98, 20), readings=100, distinct=99, stored=98, redelivered=True)
