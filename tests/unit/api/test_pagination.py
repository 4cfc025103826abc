import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pagination import read_cursor, write_cursor
from core.errors import Invalid


@given(st.lists(st.one_of(st.text(), st.integers()), min_size=1, max_size=4))
def test_a_cursor_gives_back_the_key_it_was_made_of(key: list[str | int]):
    assert read_cursor(write_cursor(*key), len(key)) == key


@pytest.mark.parametrize("text", ["", "x", "é", "W10", "bnVsbA", "W3RydWVd", "%00", "[[[[", "A" * 512])
def test_what_is_no_cursor_is_invalid_input(text: str):
    with pytest.raises(Invalid):
        read_cursor(text, 1)


def test_a_cursor_of_another_list_is_invalid_input():
    with pytest.raises(Invalid):
        read_cursor(write_cursor("a", "b"), 1)


def test_deeply_nested_json_does_not_exhaust_the_stack():
    nested = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    with pytest.raises(Invalid):
        read_cursor(nested, 1)
