"""Each rule on its grid: below, at and above; late, doubtful, repeated, out of order."""

from datetime import timedelta

import pytest

from alerts import catalogue
from alerts.platform import checks as platform_checks
from alerts.rules import RULED_TYPES, RULES, find
from alerts.rules.fall import LEAST_WAIT, confirm_due
from alerts.vocabulary import Severity, Status
from core.domain.event_types import CRIES_FOR_HELP, EVENT_TYPE_BY_NAME
from tests.unit.alerts.cries import HOME, LONELY_HOME, MR_LI, NOON, Home, event, hit, kinds, told


@pytest.fixture
def home() -> Home:
    return Home()


def test_every_ruled_type_is_one_of_the_contract_or_one_that_ingest_alone_can_say():
    assert RULED_TYPES - EVENT_TYPE_BY_NAME.keys() == {"unreadable_alarm", "device_flood"}
    assert CRIES_FOR_HELP < RULED_TYPES


def test_every_rule_has_its_texts_in_both_languages():
    assert catalogue.RULE_TEXTS.keys() == (RULES.keys() | set(platform_checks.RULES)) - {"elder_ok"}
    for texts in catalogue.RULE_TEXTS.values():
        assert texts.title.keys() == texts.reason.keys() == {"zh-CN", "en"}


def test_a_help_request_is_no_alert():
    assert find(event("help_request")) is None


# ---- sos


def test_an_sos_is_an_open_p0_at_once_however_late_doubtful_or_uncertain(home: Home):
    [change] = home.happen(hit(event("sos", late_s=7200, suspect=True, uncertain="wrong_lane")))
    alert = change.alert
    assert (alert.severity, alert.status, alert.delayed, alert.delayed_s) == (Severity.P0, Status.OPEN, True, 7200)
    assert alert.uncertain == "wrong_lane"
    assert "晚到 2 小时" in alert.reason()
    assert "2 hours late" in alert.reason("en")


@pytest.mark.parametrize(("late_s", "delayed"), [(599, False), (600, False), (601, True)])
def test_ten_minutes_are_the_limit_of_being_in_time(home: Home, late_s: float, delayed: bool):
    home.hear(event("sos", late_s=late_s))
    assert home.only.delayed is delayed


@pytest.mark.parametrize(("third_press_s", "boost"), [(599, True), (600, True), (601, False)])
def test_three_presses_within_ten_minutes_are_boosted(home: Home, third_press_s: float, boost: bool):
    home.hear(event("sos"))
    home.hear(event("sos", at_s=300))
    assert not home.only.boost
    home.hear(event("sos", at_s=third_press_s))
    assert home.only.boost is boost
    assert home.only.presses == 3


def test_presses_out_of_order_boost_as_well_and_the_last_press_never_goes_back(home: Home):
    for at_s in (300, 0, 200):
        home.hear(event("sos", at_s=at_s, late_s=400 - at_s))
    assert home.only.boost
    assert home.only.last_pressed_at == NOON + timedelta(seconds=300)


def test_a_boost_stays_when_presses_become_rare(home: Home):
    home.hear(*(event("sos", at_s=n) for n in range(3)))
    home.hear(event("sos", at_s=5000))
    assert home.only.boost


def test_a_stuck_button_does_not_grow_the_evidence_without_end(home: Home):
    for n in range(100):
        home.hear(event("sos", at_s=n))
    assert home.only.presses == 100
    assert len(home.only.evidence) == 20
    assert home.only.evidence[0]["at"].startswith("2026-05-04T04:00:00")


# ---- fall and its answer


def test_a_fall_rings_at_once_whatever_its_confidence(home: Home):
    home.hear(event("fall", {"confidence": 0.01}))
    assert (home.only.severity, home.only.status) == (Severity.P0, Status.OPEN)


@pytest.mark.parametrize(("ok_s", "answered"), [(-0.1, False), (0, True), (29.9, True), (30, True), (30.1, False)])
def test_an_answer_within_thirty_seconds_of_the_fall_lowers_it_and_keeps_it_live(
    home: Home, ok_s: float, answered: bool
):
    home.hear(event("fall"))
    assert home.hear(event("elder_ok", at_s=ok_s, late_s=100)) == (["downgraded"] if answered else [])
    assert home.only.severity is (Severity.P2 if answered else Severity.P0)
    assert home.only.live
    assert ("回电" in (home.only.note or "")) is answered


def test_an_answer_in_the_same_batch_counts_in_either_order(home: Home):
    assert home.hear(event("elder_ok", at_s=5), event("fall")) == ["opened", "downgraded"]


def test_an_answer_found_stored_counts_once_even_when_it_is_in_the_batch_as_well(home: Home):
    ok = event("elder_ok", at_s=5)
    assert kinds(home.happen(hit(event("fall"), answer=ok), hit(ok))) == ["opened", "downgraded"]


def test_a_doubtful_answer_answers_nothing(home: Home):
    home.hear(event("fall"))
    assert home.hear(event("elder_ok", at_s=5, suspect=True)) == []


def test_a_second_fall_after_the_answer_is_a_p0_again(home: Home):
    home.hear(event("fall"), event("elder_ok", at_s=5))
    assert home.hear(event("fall", at_s=60)) == ["pressed"]
    assert home.only.severity is Severity.P0
    assert home.only.note is None
    # The answer to the first fall does not answer the second.
    assert home.hear(event("elder_ok", at_s=20, late_s=100)) == []


def test_the_answer_of_another_elder_or_of_a_home_of_two_answers_nothing(home: Home):
    home.hear(event("fall"))
    assert home.hear(event("elder_ok", at_s=5), subject=MR_LI) == []
    assert home.hear(event("elder_ok", at_s=5), subject=HOME) == []


def test_the_only_resident_answers_a_fall_in_her_home_with_any_device(home: Home):
    home.hear(event("fall", device="radar"), subject=LONELY_HOME)
    assert home.hear(event("elder_ok", at_s=5, device="watch")) == ["downgraded"]


def test_a_suspected_fall_waits_and_an_answer_cancels_it(home: Home):
    assert home.hear(event("fall_suspected")) == ["pending"]
    assert (home.only.status, home.only.clocks) == (Status.PENDING_CONFIRM, ())
    assert home.only.confirm_due_at == NOON + timedelta(seconds=30)
    assert home.hear(event("elder_ok", at_s=30)) == ["closed"]
    assert (home.only.status, home.only.close_code) == (Status.CLOSED, "cancelled_by_elder")


@pytest.mark.parametrize(
    ("at_s", "due_s"),
    [(0, 30), (-10, 20), (-25, 5), (-3600, 5), (200, 30)],
    ids=["now", "ago", "at end", "old", "ahead"],
)
def test_the_wait_counts_from_the_fall_but_leaves_time_for_a_buffered_answer(at_s: float, due_s: float):
    due = confirm_due(NOON + timedelta(seconds=at_s), NOON, timedelta(seconds=30))
    assert due == NOON + timedelta(seconds=due_s)


# ---- hazards


@pytest.mark.parametrize("kind", ["smoke", "gas", "carbon_monoxide_alarm"])
def test_a_cleared_p0_stays_live_and_says_so_once(home: Home, kind: str):
    assert home.hear(event(kind, True)) == ["opened"]
    assert home.only.severity is Severity.P0
    assert home.hear(event(kind, False, at_s=60)) == ["condition_cleared"]
    assert home.hear(event(kind, False, at_s=61)) == []
    assert home.only.status is Status.OPEN
    assert home.hear(event(kind, True, at_s=70)) == ["pressed"]


@pytest.mark.parametrize("kind", ["smoke", "water_leak", "tamper", "battery"])
def test_all_is_normal_without_a_live_alert_does_nothing(home: Home, kind: str):
    assert home.hear(event(kind, 80 if kind == "battery" else False)) == []


def test_a_clear_that_is_older_than_the_alarm_or_doubtful_calms_nothing(home: Home):
    home.hear(event("smoke", True, at_s=60))
    assert home.hear(event("smoke", False, at_s=30, late_s=60)) == []
    assert home.hear(event("smoke", False, at_s=60)) == []
    assert home.hear(event("smoke", False, at_s=90, suspect=True)) == []


def test_two_smoke_heads_of_one_home_are_one_boosted_alert(home: Home):
    home.hear(event("smoke", True, device="head-1"), subject=HOME)
    home.hear(event("smoke", True, device="head-2", at_s=9), subject=HOME)
    assert home.only.boost


def test_a_leak_clears_by_itself_when_the_last_wet_probe_is_dry(home: Home):
    home.hear(event("water_leak", True, device="a"), event("water_leak", True, device="b", at_s=1))
    assert home.only.severity is Severity.P2
    assert home.hear(event("water_leak", False, device="a", at_s=9)) == ["condition_cleared"]
    assert home.hear(event("water_leak", False, device="b", at_s=10)) == ["closed"]
    assert home.only.close_code == "auto_cleared"


def test_a_hazard_whose_value_cannot_be_read_rings(home: Home):
    assert home.hear(event("smoke", "yes", uncertain="bad_value")) == ["opened"]
    assert home.only.severity is Severity.P0


# ---- battery, tamper, unreadable


@pytest.mark.parametrize(
    ("charge", "severity"),
    [(25, None), (20.1, None), (20, Severity.P3), (10.1, Severity.P3), (10, Severity.P2), (0, Severity.P2)],
)
def test_battery_thresholds(home: Home, charge: float, severity: Severity | None):
    home.hear(event("battery", charge))
    assert [alert.severity for alert in home.alerts.values()] == ([severity] if severity else [])


def test_a_battery_falls_on_without_news_gets_worse_once_and_clears_from_twenty_five(home: Home):
    said = [home.hear(event("battery", charge, at_s=n)) for n, charge in enumerate((20, 18, 10, 9, 15, 24.9, 25))]
    assert said == [["opened"], [], ["upgraded"], [], [], [], ["closed"]]


@pytest.mark.parametrize(("kind", "value"), [("battery", 5), ("tamper", True)])
def test_late_states_open_nothing_and_clear_nothing(home: Home, kind: str, value: object):
    assert home.hear(event(kind, value, late_s=601)) == []
    home.hear(event(kind, value))
    assert home.hear(event(kind, 90 if kind == "battery" else False, at_s=1, late_s=601)) == []


@pytest.mark.parametrize(("kind", "value"), [("battery", 5), ("tamper", True)])
def test_states_that_waited_with_us_for_hours_open_nothing(home: Home, kind: str, value: object):
    assert home.hear(told(event(kind, value), after_s=601)) == []
    assert home.hear(told(event(kind, value), after_s=599)) == ["opened"]


def test_a_press_that_waited_with_us_for_hours_rings_now_and_says_how_late(home: Home):
    home.hear(told(event("sos"), after_s=7200))
    assert (home.only.delayed, home.only.delayed_s) == (True, 7200)
    assert home.only.opened_at == NOON + timedelta(hours=2)
    assert home.only.clocks[0].due_at > home.only.opened_at


def test_a_press_that_waited_with_us_for_minutes_counts_from_its_receipt(home: Home):
    home.hear(told(event("sos"), after_s=300))
    assert (home.only.delayed, home.only.opened_at) == (False, NOON)


@pytest.mark.parametrize("after_s", [120, 7200])
def test_a_suspected_fall_from_the_spool_leaves_time_for_the_answer_behind_it(home: Home, after_s: float):
    assert home.hear(told(event("fall_suspected"), after_s=after_s)) == ["pending"]
    assert home.only.confirm_due_at == NOON + timedelta(seconds=after_s) + LEAST_WAIT
    assert home.hear(told(event("elder_ok", at_s=10), after_s=after_s)) == ["closed"]


def test_a_doubtful_battery_says_nothing_and_doubtful_tampering_does(home: Home):
    assert home.hear(event("battery", 3, suspect=True)) == []
    assert home.hear(event("tamper", {"code": "lid"}, suspect=True)) == ["opened"]
    assert home.only.severity is Severity.P2


def test_a_flooding_device_is_one_p2_until_it_keeps_to_its_rate(home: Home):
    assert home.hear(event("device_flood", True)) == ["opened"]
    assert home.only.severity is Severity.P2
    assert home.hear(event("device_flood", True, at_s=60)) == []
    assert home.hear(event("device_flood", False, at_s=120)) == ["closed"]


def test_an_unreadable_alarm_is_an_uncertain_p1(home: Home):
    home.hear(event("unreadable_alarm", uncertain="malformed_json"))
    assert (home.only.severity, home.only.uncertain) == (Severity.P1, "malformed_json")
    assert "malformed_json" in home.only.reason()


def test_an_unknown_child_is_named_in_the_reason(home: Home):
    home.hear(event("sos", device="hub-7", uncertain="unknown_child", claimed_device="c-9"))
    assert "c-9" in home.only.reason("en")
    assert "hub-7" in home.only.reason()
