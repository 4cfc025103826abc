"""Readings of one elder in one metric, at the finest resolution that fits."""

from dataclasses import dataclass
from datetime import datetime

from api.history import store
from api.history.resolution import MAX_ITEMS, Reading, cut
from api.history.store import Place, Span
from core.domain.metrics import METRIC_BY_NAME, METRIC_BY_NUMBER, METRICS, Metric
from core.errors import FieldError, Invalid
from core.store.pool import Connection
from history.answers import Question, at_least, buckets
from history.resolution import Bucket, Resolution

# What a device on a wall measures of the home. Everything else is of a body, and in a home of two it cannot be told
# whose: such readings of a device bound to the dwelling are shown for neither.
HOME_METRICS = frozenset(
    {
        "temperature",
        "humidity",
        "illuminance",
        "water_meter",
        "gas_meter",
        "power_meter",
        "carbon_monoxide",
    }
)
_HOME_NUMBERS = [metric.number for metric in METRICS if metric.name in HOME_METRICS]


@dataclass(frozen=True, slots=True)
class Series:
    """`next_from`: there is more from that time on; None: this is all."""

    metric: Metric
    resolution: Resolution
    items: list[Reading] | list[Bucket]
    next_from: datetime | None

    @property
    def readings(self) -> int:
        return sum(item.count if isinstance(item, Bucket) else 1 for item in self.items)


def metric_named(name: str) -> Metric:
    """Raises Invalid, naming the metrics there are; blood pressure is stored as its two values."""
    metric = METRIC_BY_NAME.get(name)
    if metric is None:
        known = "systolic, diastolic" if name == "blood_pressure" else ", ".join(sorted(METRIC_BY_NAME))
        raise Invalid(FieldError("metric", "unknown_metric", f"There is no such metric; ask for: {known}."))
    return metric


async def series(
    conn: Connection, place: Place, metric: Metric, since: datetime, until: datetime, resolution: Resolution | None
) -> Series:
    """Readings of [since, until) from whatever was bound to the elder at each reading's time.

    `resolution` None picks the finest that gives at most MAX_ITEMS items (days if none does).
    """
    span = Span(place, since, until, with_dwelling=place.alone or metric.name in HOME_METRICS)
    asked = await store.asked(conn, span, metric.number)
    if resolution is None:
        return await _fitting(conn, span, asked, metric)
    return await _at(conn, span, asked, metric, resolution)


async def _fitting(conn: Connection, span: Span, asked: Question, metric: Metric) -> Series:
    """The finest that fits and holds as many readings as the days do: retention drops the fine ones first.

    Days come first because they are few and say how many readings there are.
    """
    days = await _at(conn, span, asked, metric, Resolution.DAY)
    for finer in await _finer(conn, asked, days.readings):
        found = await _at(conn, span, asked, metric, finer)
        if found.next_from is None and found.readings >= days.readings:
            return found
    return days


async def _finer(conn: Connection, asked: Question, readings: int) -> tuple[Resolution, ...]:
    """What may fit, finest first; what surely does not is not even tried."""
    if readings <= MAX_ITEMS:
        return (Resolution.RAW, Resolution.MINUTE, Resolution.HOUR)
    # Hours first: they lie in a few chunks, and there are at least as many minutes as hours.
    if await at_least(conn, asked, Resolution.HOUR, MAX_ITEMS + 1) > MAX_ITEMS:
        return ()
    if await at_least(conn, asked, Resolution.MINUTE, MAX_ITEMS + 1) > MAX_ITEMS:
        return (Resolution.HOUR,)
    return (Resolution.MINUTE, Resolution.HOUR)


async def latest(conn: Connection, place: Place, since: datetime, until: datetime) -> list[tuple[Metric, Reading]]:
    """The newest reading of every metric within [since, until), in the order of the table of metrics."""
    numbers = [metric.number for metric in METRICS]
    found = await store.latest_readings(conn, Span(place, since, until), numbers, _HOME_NUMBERS)
    return [(METRIC_BY_NUMBER[number], found[number]) for number in numbers if number in found]


async def _at(conn: Connection, span: Span, asked: Question, metric: Metric, resolution: Resolution) -> Series:
    if resolution is Resolution.RAW:
        readings, rest = cut(await store.raw_readings(conn, span, metric.number, MAX_ITEMS + 1))
        return Series(metric, resolution, readings, rest)
    summed, rest = cut(await buckets(conn, asked, resolution, MAX_ITEMS + 1))
    return Series(metric, resolution, summed, rest)
