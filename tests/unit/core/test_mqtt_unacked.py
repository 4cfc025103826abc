"""Acknowledgements go out in the order of receipt."""

from core.runtime.mqtt_unacked import Unacked


def delivered(*packet_ids: int) -> Unacked:
    unacked = Unacked()
    for packet_id in packet_ids:
        unacked.add(packet_id)
    return unacked


def test_what_is_released_in_order_goes_out_at_once():
    unacked = delivered(1, 2, 3)
    assert unacked.release([1, 2]) == [1, 2]
    assert unacked.release([3]) == [3]
    assert len(unacked) == 0


def test_what_is_released_early_waits_for_the_earlier_ones():
    unacked = delivered(1, 2, 3, 4)
    assert unacked.release([2, 4]) == []
    assert unacked.release([1]) == [1, 2]
    assert len(unacked) == 2
    assert unacked.release([3]) == [3, 4]


def test_an_id_that_is_in_hand_is_not_taken_again():
    unacked = Unacked()
    assert (unacked.add(1), unacked.add(1), unacked.add(2)) == (True, False, True)
    assert unacked.release([1, 2]) == [1, 2]
    assert len(unacked) == 0


def test_an_id_that_is_not_in_hand_does_not_release_the_next_message_of_that_id():
    unacked = delivered(1)
    assert unacked.release([1, 1, 7]) == [1]
    assert unacked.release([1]) == []
    unacked.add(7)
    unacked.add(1)
    assert unacked.release([]) == []
    assert len(unacked) == 2
