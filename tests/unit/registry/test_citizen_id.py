"""Identity numbers: the vectors of the standard and of the field notes."""

from datetime import date

import pytest

from registry import citizen_id

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    "number",
    ["11010519491231002X", "11010519491231002x", "440524188001010014", "370101190102039973"],
)
def test_numbers_with_a_right_check_character_pass(number):
    today = date(1950, 1, 1) if number.startswith("440524") else TODAY
    assert citizen_id.problem(number, today) is None


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("11010119500101567X", "check_digit"),
        ("110105194912310021", "check_digit"),
        ("440524188001010014", "birth_date"),  # 146 years old
        ("1101051949123100", "form"),
        ("0101051949123100X2", "form"),
        ("", "form"),
    ],
)
def test_other_numbers_are_refused_with_the_rule_they_break(number, rule):
    assert citizen_id.problem(number, TODAY) == rule


@pytest.mark.parametrize(("birth", "rule"), [("19490230", "birth_date"), ("20270101", "birth_date")])
def test_a_birth_date_that_does_not_exist_or_lies_ahead_is_refused_even_with_a_right_check_digit(birth, rule):
    first = f"110105{birth}001"
    assert citizen_id.problem(first + citizen_id.check_digit(first), TODAY) == rule


@pytest.mark.parametrize("number", ["990102194403150018", "990102193809090022"])
def test_invented_numbers_pass_only_where_invented_people_live(number):
    assert citizen_id.problem(number, TODAY, test_region_allowed=True) is None
    assert citizen_id.problem(number, TODAY) == "test_region"


def test_exactly_one_of_eleven_check_characters_fits():
    fits = [c for c in "0123456789X" if citizen_id.problem(f"11010519491231002{c}", TODAY) is None]
    assert fits == ["X"]


def test_the_seventeenth_digit_tells_men_from_women():
    assert citizen_id.is_female("990102193809090022")
    assert not citizen_id.is_female("990102194403150018")
