"""From which table each moment is answered."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from history.cover import Known, Piece, cover
from history.days import midnights
from history.resolution import HOUR, MINUTE, Resolution, floor

START = datetime(2026, 3, 28, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Kathmandu", "Asia/Shanghai", "Australia/Lord_Howe")]
WIDTH = {Resolution.MINUTE: MINUTE, Resolution.HOUR: HOUR}
moments = st.integers(0, 4 * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))
minutes = moments.map(lambda at: floor(at, MINUTE))
hours = moments.map(lambda at: floor(at, HOUR))


def whole(pieces: list[Piece], since: datetime, until: datetime) -> bool:
    """Whether the pieces follow each other from one end to the other."""
    ends = [since, *(edge for piece in pieces for edge in (piece.since, piece.until)), until]
    return all(left == right for left, right in zip(ends[::2], ends[1::2], strict=True))


@given(moments, moments, minutes, st.lists(hours, max_size=6), st.sampled_from(list(WIDTH)), st.data())
def test_pieces_join_and_no_roll_up_is_asked_for_what_it_does_not_hold(one, two, rolled, dirty, resolution, data):
    since, until = sorted((one, two))
    zone = data.draw(st.sampled_from([None, *ZONES]))
    edges: list[datetime] = []
    known = Known(rolled_up_to=rolled)
    if zone is not None and since < until:
        resolution, edges = Resolution.DAY, midnights(since, until, zone)
        first, last = sorted((data.draw(st.sampled_from(edges)), data.draw(st.sampled_from(edges))))
        known = Known(rolled_up_to=rolled, days_from=first, days_up_to=last)
    spoilt = sorted(set(dirty))
    pieces = cover(since, until, resolution, known, spoilt, edges)
    assert whole(pieces, since, until) or since == until
    for piece in pieces:
        assert piece.since < piece.until
        if piece.source is Resolution.RAW:
            continue
        assert not any(piece.since < hour + HOUR and hour < piece.until for hour in spoilt)
        if piece.source is Resolution.DAY:
            assert {piece.since, piece.until} <= set(edges)
            assert known.days_from <= piece.since and piece.until <= known.days_up_to
        else:
            assert floor(piece.since, WIDTH[piece.source]) == piece.since
            assert floor(piece.until, WIDTH[piece.source]) == piece.until
            assert piece.until <= rolled


def test_a_clean_year_of_days_is_one_piece_between_its_edges():
    zone = ZoneInfo("Asia/Shanghai")
    since, until = START - timedelta(days=365, minutes=20, seconds=7), START + timedelta(hours=3, minutes=20, seconds=2)
    edges = midnights(since, until, zone)
    known = Known(rolled_up_to=until, days_up_to=edges[-2])
    pieces = cover(since, until, Resolution.DAY, known, [], edges)
    assert [piece.source.value for piece in pieces] == ["raw", "1h", "1d", "1h", "raw"]


def test_the_part_of_an_hour_is_raw_while_readings_are_kept_and_minutes_after_that():
    since, until = START + timedelta(minutes=10), START + 3 * HOUR + timedelta(minutes=20)
    kept = START + 2 * HOUR
    pieces = cover(since, until, Resolution.HOUR, Known(rolled_up_to=START + timedelta(days=1), raw_from=kept), [], [])
    assert [piece.source.value for piece in pieces] == ["1m", "1h", "raw"]


def test_what_was_dropped_from_every_table_is_in_no_piece():
    kept = START + timedelta(days=1)
    known = Known(rolled_up_to=START + timedelta(days=2), raw_from=kept, minutes_from=kept)
    since = START + timedelta(minutes=10)
    pieces = cover(since, kept + HOUR, Resolution.HOUR, known, [START + HOUR], [])
    assert pieces == [Piece(Resolution.HOUR, START + HOUR, kept + HOUR)], "a mark of then can't be repaired either"


@given(moments, moments, st.sampled_from(ZONES))
def test_the_edges_of_days_enclose_the_span_and_are_local_midnights(one, two, zone):
    since, until = sorted((one, two))
    edges = midnights(since, until, zone)
    assert edges[0] <= since
    assert edges[-1] >= until
    assert all(left < right for left, right in pairwise(edges))
    assert all(edge.astimezone(zone).time() == datetime.min.time() for edge in edges)
