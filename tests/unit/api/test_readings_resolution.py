"""Where an answer is cut."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.history.resolution import Reading, cut

START = datetime(2026, 3, 1, tzinfo=UTC)


def _readings(seconds: list[int]) -> list[Reading]:
    return [Reading(START + timedelta(seconds=second), float(index)) for index, second in enumerate(sorted(seconds))]


def test_what_fits_is_not_cut() -> None:
    readings = _readings([1, 2, 3])
    assert cut(readings, 3) == (readings, None)


def test_a_cut_never_parts_readings_of_one_instant() -> None:
    readings = _readings([1, 2, 2, 2, 3])
    kept, rest = cut(readings, 3)
    assert [item.at for item in kept] == [START + timedelta(seconds=1)]
    assert rest == START + timedelta(seconds=2)


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(6, 20))
def test_asking_on_from_next_from_gives_every_reading_once(seconds: list[int], limit: int) -> None:
    readings = _readings(list(dict.fromkeys(seconds)) + seconds[: limit - 1][:3])
    seen: list[Reading] = []
    since: datetime | None = START
    while since is not None:
        kept, following = cut([item for item in readings if item.at >= since][: limit + 1], limit)
        assert len(kept) <= limit
        seen += kept
        assert following is None or following > since
        since = following
    assert seen == readings
