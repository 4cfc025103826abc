"""The bench takes no answer that brute force does not give."""

from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.bench.readings_query import WrongAnswer, must_equal

DAY = datetime(2026, 3, 1, 16, tzinfo=UTC)


def answer(**changes: Any) -> dict[str, Any]:
    item = {"at": "2026-03-01T16:00:00Z", "min": 60.0, "max": 80.0, "avg": 70.0, "count": 3, **changes}
    return {"resolution": "1d", "items": [item]}


def test_an_equal_answer_passes_whatever_the_order_of_the_sum() -> None:
    must_equal(answer(avg=70.0 * (1 + 1e-12)), [(DAY, 60.0, 80.0, 70.0, 3)])


@pytest.mark.parametrize(
    "changes", [{"min": 61.0}, {"max": 79.0}, {"count": 2}, {"avg": 70.001}, {"at": "2026-03-02T16:00:00Z"}]
)
def test_any_other_number_is_a_wrong_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(WrongAnswer):
        must_equal(answer(**changes), [(DAY, 60.0, 80.0, 70.0, 3)])


def test_a_missing_day_is_a_wrong_answer() -> None:
    with pytest.raises(WrongAnswer):
        must_equal(answer(), [])
