"""The text of an answer is that of its documented model."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.history import readings
from api.history.resolution import Reading
from api.routes.readings import Aggregate, Series, Value, written
from core.domain.metrics import METRIC_BY_NAME
from history.resolution import Bucket, Resolution

METRIC = METRIC_BY_NAME["heart_rate"]
moments = st.integers(0, 4_000_000_000_000_000).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(0, 0, us))
values = st.floats(allow_nan=False, allow_infinity=False)
rests = st.none() | moments


def _by_the_model(found: readings.Series, items: list[Value] | list[Aggregate]) -> bytes:
    model = Series(
        metric=METRIC.name, unit=METRIC.unit, resolution=found.resolution, items=items, next_from=found.next_from
    )
    return model.model_dump_json(exclude_none=True).encode()


@given(st.lists(st.builds(Reading, moments, values, st.booleans())), rests)
def test_readings_are_written_as_their_model_says(items: list[Reading], rest: datetime | None) -> None:
    found = readings.Series(METRIC, Resolution.RAW, items, rest)
    documented = [Value(at=r.at, value=r.value, suspect=True if r.suspect else None) for r in items]
    assert written(found) == _by_the_model(found, documented)


@given(st.lists(st.builds(Bucket, moments, values, values, values, st.integers(1, 10**9))), rests)
def test_buckets_are_written_as_their_model_says(items: list[Bucket], rest: datetime | None) -> None:
    found = readings.Series(METRIC, Resolution.DAY, items, rest)
    documented = [Aggregate(at=b.at, min=b.min, max=b.max, avg=b.avg, count=b.count) for b in items]
    assert written(found) == _by_the_model(found, documented)
