"""A cry in every order of heard, stored, repeated and late: it rings when it must, once, and ends when it is stored."""

import itertools
from datetime import timedelta
from uuid import UUID

import pytest

from alerts.actor import Actor
from alerts.vocabulary import Status
from api.emergency.provisional import provisional_id
from api.emergency.watch import EmergencyWatch
from core.contract.keys import CopyCounter
from core.errors import AlertHeld, Forbidden
from tests.unit.api.emergency_words import ALERT, CENTRE, ELDER, NOW, OTHER_CENTRE, hear, press, stored

WAIT = 1.0


def rung(watch: EmergencyWatch, at: float, *, held: set | None = None, away: bool = False) -> list:
    """What rings at `at`, when the database holds `held`."""
    watch.due(at, away=away)
    return watch.settle(held or set(), at, NOW)


def operator(centre: UUID = CENTRE, number: int = 5) -> Actor:
    works = {centre: frozenset({"operator"})}
    return Actor("account", UUID(int=number), frozenset({"operator"}), f"坐席 {number}", (centre,), works)


def ringing(*presses) -> EmergencyWatch:
    watch = EmergencyWatch(WAIT)
    for heard in presses:
        watch.heard(heard, 0)
    assert rung(watch, WAIT)
    return watch


@pytest.mark.parametrize("order", set(itertools.permutations(["heard", "saw", "heard", "saw"])))
def test_what_is_stored_in_time_never_rings_in_whatever_order_it_is_told(order):
    watch, cry = EmergencyWatch(WAIT), press("a")
    for step in order:
        if step == "heard":
            watch.heard(cry, 0)
        else:
            assert watch.saw(stored(cry)) is None
    assert rung(watch, 60) == watch.live == []


def test_what_is_not_stored_rings_after_the_wait_and_not_before():
    watch = EmergencyWatch(WAIT)
    watch.heard(press("a"), 10)
    assert watch.next_due() == 11
    assert rung(watch, 10.9) == []
    [provisional] = rung(watch, 11)
    assert (provisional.id, provisional.alert.presses) == (provisional_id(press("a").key), 1)
    assert rung(watch, 12) == []
    assert watch.next_due() is None


def test_with_the_database_away_nothing_waits():
    watch = EmergencyWatch(WAIT)
    watch.heard(press("a"), 10)
    assert len(rung(watch, 10, away=True)) == 1


def test_what_the_database_holds_already_does_not_ring_again():
    watch, cry = EmergencyWatch(WAIT), press("a")
    watch.heard(cry, 0)
    assert rung(watch, WAIT, held={cry.key}) == []
    watch.heard(cry, 5)
    assert rung(watch, 10) == []


def test_stored_while_the_database_is_being_asked_does_not_ring():
    watch, cry = EmergencyWatch(WAIT), press("a")
    watch.heard(cry, 0)
    assert watch.due(WAIT, away=False) == [cry]
    watch.saw(stored(cry))
    assert watch.settle(set(), WAIT, NOW) == []


def test_the_same_message_again_is_no_further_press():
    watch = ringing(press("a"))
    watch.heard(press("a"), 2)
    assert rung(watch, 9) == []
    assert watch.live[0].alert.presses == 1


def test_presses_of_one_elder_are_one_alert_that_counts_and_of_another_elder_another():
    watch = ringing(press("a"), press("b", "pendant"), press("c", "button"))
    assert sorted((each.alert.subject_id, each.alert.presses) for each in watch.live) == [
        (str(ELDER), 2),
        (str(UUID(int=12)), 1),
    ]
    watch.heard(press("d"), 5)
    [again] = rung(watch, 6)
    assert (again.id, again.alert.presses) == (provisional_id(press("a").key), 3)
    assert again.alert.boost  # the third within ten minutes goes first, as with any alert
    assert len(again.alert.evidence) == 3


def test_stored_later_it_is_matched_and_over_with_its_last_cry():
    watch = ringing(press("a"), press("b"))
    [provisional] = watch.live
    first = watch.saw(stored(press("a")))
    assert first is not None and first.provisional is provisional and not first.over
    assert watch.became(provisional.id) == ALERT
    last = watch.saw(stored(press("b")))
    assert last is not None and last.over
    assert watch.live == []
    assert watch.became(provisional.id) == ALERT
    # Every frame about either press carries the id under which it rang.
    assert watch.id_of(press("a").key) == watch.id_of(press("b").key) == provisional.id
    watch.heard(press("a"), 50)  # the broker's copy, late
    assert rung(watch, 60) == []


def test_the_second_stored_first_ends_the_same_alert():
    watch = ringing(press("a"), press("b"))
    [provisional] = watch.live
    second, first = watch.saw(stored(press("b"))), watch.saw(stored(press("a")))
    assert second is not None and second.provisional is provisional
    assert first is not None and first.over


def test_nameless_presses_are_known_again_by_device_type_and_time_when_they_were_counted_otherwise():
    copies = CopyCounter(0)
    first, second = press(copies=copies), press(copies=copies)
    assert first.key != second.key
    watch = EmergencyWatch(WAIT)
    watch.heard(first, 0)
    watch.heard(second, 0)
    watch.saw(stored(first, key="11" * 16))
    watch.saw(stored(second, key="22" * 16))
    assert rung(watch, 60) == []


def test_a_nameless_press_stored_before_it_was_heard_does_not_ring_but_the_next_one_does():
    watch, one = EmergencyWatch(WAIT), press()
    watch.saw(stored(one, key="11" * 16))
    watch.heard(one, 0)
    watch.heard(press(after_s=1), 1)
    assert len(rung(watch, 60)) == 1


def test_a_press_stored_before_it_was_heard_by_its_name_stands_for_no_other_press():
    watch = EmergencyWatch(WAIT)
    watch.saw(stored(press("a")))
    watch.heard(press("a"), 0)
    watch.heard(press(after_s=1), 1)  # nameless, and within two seconds of it
    assert len(rung(watch, 60)) == 1


def test_a_nameless_press_of_an_outage_is_matched_however_late_it_is_stored():
    watch = ringing(press())
    [provisional] = watch.live
    assert watch.saw(stored(press("x", "button"))) is None  # another device's
    assert watch.saw(stored(press(), key="11" * 16, after_s=-30)) is None  # an older one
    match = watch.saw(stored(press(), key="22" * 16, after_s=600))
    assert match is not None and match.over
    assert watch.id_of((*press().key[:1], "22" * 16, "sos")) == provisional.id


def test_the_cry_of_a_device_that_was_new_here_is_matched_with_what_ingest_made_of_it():
    [heard] = hear({"type": "sos", "id": "a", "device": "new"}, "hub")
    watch = ringing(heard)
    known = stored(heard)
    match = watch.saw(type(known)(("new", "33" * 16, "sos"), known.received_at, ALERT))
    assert match is not None and match.over


def test_what_turns_out_to_have_been_stored_before_ends_without_an_alert_event():
    watch = ringing(press("a"), press("b", "button"))
    [over] = watch.found_stored({press("a").key})
    assert over.alert.subject_id == str(ELDER)
    assert [each.alert.subject_id for each in watch.live] == [str(UUID(int=12))]


def test_only_what_somebody_took_is_ever_forgotten():
    watch = ringing(press("a"), press("c", "button"))
    taken, free = watch.live
    taken.acknowledge(operator(), NOW)
    assert watch.expire(before=WAIT - 0.1) == []
    assert watch.expire(before=9999) == [taken]
    assert watch.live == [free]


def test_taken_here_it_has_a_holder_a_further_press_rings_on_and_a_second_taker_is_refused():
    watch = ringing(press("a"))
    [provisional] = watch.live
    provisional.acknowledge(operator(), NOW)
    provisional.acknowledge(operator(), NOW + timedelta(seconds=1))  # the same person again
    assert provisional.claim is not None
    assert (provisional.alert.status, provisional.claim.at) == (Status.ACKNOWLEDGED, NOW)
    with pytest.raises(AlertHeld):
        provisional.acknowledge(operator(number=6), NOW)
    with pytest.raises(Forbidden):
        ringing(press("a")).live[0].acknowledge(operator(OTHER_CENTRE), NOW)
    watch.heard(press("b"), 5)
    [again] = rung(watch, 6)
    assert (again.alert.presses, again.alert.status, again.alert.owner.id) == (2, "acknowledged", UUID(int=5))


def test_a_button_that_never_stops_is_counted_and_costs_bounded_memory():
    watch = EmergencyWatch(WAIT, limit=10)
    for number in range(50):
        watch.heard(press(str(number)), 0)
    [provisional] = rung(watch, WAIT)
    assert (provisional.alert.presses, len(provisional.unstored)) == (50, 10)
    for number in range(50):
        watch.saw(stored(press(str(number))))
    assert watch.live == []


def test_the_alert_has_the_form_of_every_other_and_says_that_it_is_not_stored():
    [provisional] = ringing(press("a", after_s=-700)).live
    data = provisional.as_contract(NOW)
    assert data["id"] == data["provisional_id"] == str(provisional.id)
    assert (data["stored"], data["status"], data["severity"], data["rule"]) == (False, "open", "p0", "sos")
    assert data["title"] == "紧急呼叫"
    assert data["evidence"][0]["device_id"] == "watch"
    over = provisional.ended(NOW, "never_stored", stored=False)
    assert (over["status"], over["close_code"], over["version"]) == ("closed", "never_stored", data["version"] + 1)
