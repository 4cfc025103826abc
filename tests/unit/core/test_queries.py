"""Named SQL."""

import pytest

from core.store.queries import parse_queries

TEXT = """-- head of the file
-- first --
-- Why it is there.
SELECT 1;

-- second_one --
SELECT 2
"""


def test_statements_are_found_by_name_without_their_last_semicolon():
    queries = parse_queries(TEXT)
    assert queries["first"] == "-- Why it is there.\nSELECT 1"
    assert queries["second_one"] == "SELECT 2"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="first, second_one"):
        parse_queries(TEXT)["third"]


def test_a_name_used_twice_is_refused():
    with pytest.raises(ValueError, match="'first' is defined twice"):
        parse_queries(TEXT + "\n-- first --\nSELECT 3;\n")
