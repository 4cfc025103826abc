"""Codes of regions go by groups of digits, not by trailing zeros."""

import pytest

from registry import region_codes


def test_parents_are_found_by_padding_group_by_group():
    codes = ["360102001001"]
    while (parent := region_codes.parent(codes[-1])) is not None:
        codes.append(parent)
    assert codes == ["360102001001", "360102001000", "360102000000", "360100000000", "360000000000"]


@pytest.mark.parametrize(
    ("code", "level", "prefix"),
    [
        ("360000000000", "province", "36"),
        ("360100000000", "city", "3601"),
        ("361000000000", "city", "3610"),
        ("360110000000", "county", "360110"),
        ("360102100000", "township", "360102100"),
        ("360102001010", "village", "360102001010"),
    ],
)
def test_a_zero_inside_a_group_is_a_digit_and_not_padding(code, level, prefix):
    assert region_codes.level(code) == level
    assert region_codes.prefix(code) == prefix


def test_what_is_no_code_is_told_apart():
    assert not region_codes.is_code("36010200100")
    assert not region_codes.is_code("000000000000")
    assert not region_codes.is_code("36010200100a")
    assert region_codes.is_test("990102100001")
