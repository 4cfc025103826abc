"""The timeline's one order, and cursors that survive whatever comes in between."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from api.history import timeline
from api.history.store import AlertRow, EventRow
from api.pagination import write_cursor
from core.errors import Invalid

START = datetime(2026, 3, 1, tzinfo=UTC)


def _event(second: int, id: str = "dv-a:00") -> EventRow:
    return EventRow(START + timedelta(seconds=second), id, "motion", True, id.split(":")[0], None, False, False)


def _alert(second: int, id: UUID | None = None) -> AlertRow:
    id = id or uuid4()
    at = START + timedelta(seconds=second)
    return AlertRow(at, f"~{id}", id, 1, "sos", "p0", "open", "紧急呼叫", 1, None)


def test_events_and_alerts_stand_in_one_order_newest_first() -> None:
    rows: list[EventRow | AlertRow] = [_event(5), _event(1), _alert(3)]
    page = timeline.merge(rows, 10)
    assert [row.at for row in page.items] == sorted((row.at for row in rows), reverse=True)
    assert page.next_cursor is None


def test_an_alert_stands_above_the_event_of_the_same_instant_that_raised_it() -> None:
    assert isinstance(timeline.merge([_event(1, "zz-device:ff"), _alert(1)], 10).items[0], AlertRow)


def test_a_full_page_says_where_the_next_begins() -> None:
    page = timeline.merge([_event(second) for second in range(5)], 3)
    assert page.next_cursor is not None
    assert timeline.read_position(page.next_cursor) == (page.items[-1].at, page.items[-1].id)


def test_a_page_that_is_exactly_full_is_the_last() -> None:
    assert timeline.merge([_event(second) for second in range(3)], 3).next_cursor is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "not base64!",
        write_cursor("2026-03-01T00:00:00", "no-offset"),
        write_cursor("yesterday", "x"),
        write_cursor(1, "x"),
        write_cursor("2026-03-01T00:00:00+00:00", "nul\0"),
        write_cursor("2026-03-01T00:00:00+00:00", "a", "b"),
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        timeline.read_position(cursor)
