from itertools import pairwise

from api.sign_in import FREE_ATTEMPTS, delay_before


def test_the_first_attempts_are_free_then_every_one_takes_longer_up_to_the_longest():
    delays = [delay_before(attempts, 8) for attempts in range(1, 1001)]
    assert delays[:FREE_ATTEMPTS] == [0.0] * FREE_ATTEMPTS
    assert all(earlier <= later for earlier, later in pairwise(delays))
    assert delays[FREE_ATTEMPTS : FREE_ATTEMPTS + 3] == [0.25, 0.5, 1.0]
    assert delays[-1] == 8  # a wait, never a lock
