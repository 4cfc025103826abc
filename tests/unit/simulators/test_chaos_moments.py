"""Rows of chaos readings are found by their time alone."""

from simulators.chaos.ledger import Moments


def test_two_publishers_never_give_the_same_time_to_two_messages():
    load, gateway = Moments(0), Moments(1)
    now = [1_000_000, 1_000_000, 1_000_001, 999_990, 1_000_002, 1_000_002]
    given = [moments.next(at) for at in now for moments in (load, gateway)]
    assert len(set(given)) == len(given)
    assert given[::2] == sorted(given[::2])
    assert given[1::2] == sorted(given[1::2])
