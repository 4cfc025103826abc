"""Readings against brute force on the real database: resolutions, rebinding, shared homes, and bent days."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from api.history import readings, store
from api.history.resolution import MAX_ITEMS, Reading
from core.domain.metrics import METRIC_BY_NAME
from history.resolution import Bucket, Resolution
from tests.fixtures.api_town import ApiTown
from tests.fixtures.device_places import REGION, DevicePlaces
from tests.fixtures.reading_home import BERLIN, Home, agree, brute

pytestmark = pytest.mark.integration

SPRING = datetime(2026, 3, 29, tzinfo=BERLIN)  # 23 hours long
HEART = METRIC_BY_NAME["heart_rate"]


@pytest.fixture
async def home(database: str) -> AsyncIterator[Home]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True, options="-c timezone=UTC") as conn:
        places = DevicePlaces(conn)
        centre = await places.centre()
        await conn.execute("UPDATE region SET time_zone = 'Europe/Berlin' WHERE code = %s", (REGION,))
        yield Home(conn, places, centre)


def _every(step: timedelta, count: int, *, start: datetime = SPRING, seed: int = 1) -> list[tuple[datetime, float]]:
    dice = random.Random(seed)
    start = start.astimezone(UTC)
    return [(start + step * index, float(dice.randint(40, 120))) for index in range(count)]


@pytest.mark.parametrize("resolution", list(Resolution))
async def test_every_resolution_agrees_with_brute_force_over_a_clock_change_and_a_rebinding(
    home: Home, resolution: Resolution
) -> None:
    first, second = await home.elder(), await home.elder()
    device, number = await home.device()
    values = _every(timedelta(minutes=7, seconds=13), 900, start=SPRING - timedelta(days=2))
    change = SPRING + timedelta(hours=20)
    await home.bind(device, SPRING - timedelta(days=400), change, elder=first)
    await home.bind(device, change, None, elder=second)
    await home.measure(number, values)
    since, until = SPRING - timedelta(days=1, hours=5), SPRING + timedelta(days=1, minutes=3)
    asked = [(at, value) for at, value in values if since <= at < until]
    agree(await home.series(first, since, until, resolution), [(at, v) for at, v in asked if at < change])
    agree(await home.series(second, since, until, resolution), [(at, v) for at, v in asked if at >= change])


async def test_a_day_is_the_elders_and_has_23_hours_when_the_clock_goes_forward(home: Home) -> None:
    elder = await home.elder()
    device, number = await home.device()
    await home.bind(device, SPRING - timedelta(days=9), None, elder=elder)
    await home.measure(number, _every(timedelta(hours=1), 72, start=SPRING - timedelta(days=1)))
    found = await home.series(elder, SPRING - timedelta(days=1), SPRING + timedelta(days=2), Resolution.DAY)
    assert [(item.at.astimezone(BERLIN).hour, item.count) for item in found.items if isinstance(item, Bucket)] == [
        (0, 24),
        (0, 23),
        (0, 24),
    ]


@pytest.mark.parametrize(
    ("step", "count", "expected"),
    [
        (timedelta(seconds=30), MAX_ITEMS, Resolution.RAW),
        (timedelta(seconds=3), MAX_ITEMS + 1, Resolution.MINUTE),
        (timedelta(minutes=3), MAX_ITEMS + 1, Resolution.HOUR),
        (timedelta(hours=1), MAX_ITEMS + 1, Resolution.DAY),
    ],
)
async def test_auto_is_the_finest_resolution_that_fits(
    home: Home, step: timedelta, count: int, expected: Resolution
) -> None:
    elder = await home.elder()
    device, number = await home.device()
    start = (SPRING - timedelta(days=100)).astimezone(UTC)
    values = _every(step, count, start=start)
    await home.bind(device, start, None, elder=elder)
    await home.measure(number, values)
    found = await home.series(elder, start, start + step * count)
    assert found.resolution is expected
    assert len(found.items) <= MAX_ITEMS
    assert found.next_from is None
    agree(found, values)


async def test_what_was_asked_raw_and_does_not_fit_comes_in_parts_that_join(home: Home) -> None:
    elder = await home.elder()
    device, number = await home.device()
    values = _every(timedelta(seconds=1), 2 * MAX_ITEMS + 7)
    await home.bind(device, SPRING, None, elder=elder)
    await home.measure(number, values)
    seen: list[Reading] = []
    since: datetime | None = SPRING
    while since is not None:
        found = await home.series(elder, since, SPRING + timedelta(days=1), Resolution.RAW)
        assert len(found.items) <= MAX_ITEMS
        seen += [item for item in found.items if isinstance(item, Reading)]
        since = found.next_from
    assert seen == brute(values, Resolution.RAW, BERLIN)


async def test_two_devices_of_one_elder_are_one_series(home: Home) -> None:
    elder = await home.elder()
    every = []
    for seed in (1, 2):
        device, number = await home.device()
        values = _every(timedelta(minutes=2), 50, start=SPRING + timedelta(seconds=seed), seed=seed)
        await home.bind(device, SPRING, None, elder=elder)
        await home.measure(number, values)
        every += values
    agree(await home.series(elder, SPRING, SPRING + timedelta(days=1)), every)


async def test_a_shared_homes_room_is_everybodys_and_its_body_sensor_nobodys(home: Home) -> None:
    dwelling = await home.places.dwelling(home.centre)
    one, other = await home.elder(dwelling), await home.elder(dwelling)
    device, number = await home.device()
    await home.bind(device, SPRING, None, home=dwelling)
    values = _every(timedelta(minutes=5), 12)
    await home.measure(number, values)
    await home.measure(number, values, "temperature")
    until = SPRING + timedelta(days=1)
    for elder in (one, other):
        assert (await home.series(elder, SPRING, until)).items == []
        agree(await home.series(elder, SPRING, until, metric="temperature"), values)


async def test_a_body_sensor_of_a_home_belongs_to_the_only_one_who_lives_there(home: Home) -> None:
    dwelling = await home.places.dwelling(home.centre)
    elder = await home.elder(dwelling)
    await home.places.elder(home.centre, dwelling=dwelling, enrolment="deceased")
    device, number = await home.device()
    await home.bind(device, SPRING, None, home=dwelling)
    values = _every(timedelta(minutes=5), 12)
    await home.measure(number, values)
    agree(await home.series(elder, SPRING, SPRING + timedelta(days=1)), values)


async def test_the_latest_reading_is_of_the_one_who_wears_the_device_now(home: Home) -> None:
    before, now_wearing = await home.elder(), await home.elder()
    device, number = await home.device()
    change = SPRING + timedelta(hours=1)
    await home.bind(device, SPRING, change, elder=before)
    await home.bind(device, change, None, elder=now_wearing)
    await home.measure(number, [(change - timedelta(minutes=5), 61.0), (change + timedelta(minutes=5), 72.0)])
    await home.measure(number, [(change + timedelta(minutes=2), 97.0)], "spo2")
    for elder, expected in ((before, {"heart_rate": 61.0}), (now_wearing, {"heart_rate": 72.0, "spo2": 97.0})):
        place = await store.place_of(home.conn, elder)
        found = await readings.latest(home.conn, place, SPRING, SPRING + timedelta(days=1))
        assert {metric.name: reading.value for metric, reading in found} == expected


async def test_the_end_of_a_span_is_not_in_it(home: Home) -> None:
    elder = await home.elder()
    device, number = await home.device()
    await home.bind(device, SPRING, None, elder=elder)
    values = _every(timedelta(minutes=1), 10)
    await home.measure(number, values)
    found = await home.series(elder, values[2][0], values[5][0])
    agree(found, values[2:5])


async def _measured(town: ApiTown, elder: UUID, values: list[tuple[str, datetime, float, bool]]) -> None:
    """Readings of the device bound to `elder`, as ingest would store them."""
    number = await town.one(
        "SELECT d.device_no FROM device d JOIN device_binding b ON b.device_id = d.id WHERE b.elder_id = %s LIMIT 1",
        elder,
    )
    for metric, at, value, suspect in values:
        await town.conn.execute(
            "INSERT INTO reading (device_no, metric, at, value, suspect) VALUES (%s, %s, %s, %s, %s)",
            (number, METRIC_BY_NAME[metric].number, at, value, suspect),
        )


async def test_readings_over_http_name_metric_unit_and_resolution(api_town: ApiTown) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    elder = api_town.spare_elder
    await _measured(
        api_town, elder, [("systolic", now, 142.0, False), ("systolic", now - timedelta(hours=1), 151, True)]
    )
    answer = await api_town.call("operator", "GET", f"/elders/{elder}/readings", metric="systolic")
    assert answer.status_code == 200
    at, before = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (now, now - timedelta(hours=1)))
    assert answer.json() == {
        "metric": "systolic",
        "unit": "mmHg",
        "resolution": "raw",
        "items": [{"at": before, "value": 151.0, "suspect": True}, {"at": at, "value": 142.0}],
    }
    hourly = await api_town.call("operator", "GET", f"/elders/{elder}/readings", metric="systolic", resolution="1h")
    assert [sorted(item) for item in hourly.json()["items"]] == [["at", "avg", "count", "max", "min"]] * 2
    latest = (await api_town.call("operator", "GET", f"/elders/{elder}/readings/latest")).json()["items"]
    assert latest == [{"metric": "systolic", "unit": "mmHg", "at": at, "value": 142.0}]


async def test_what_cannot_be_asked_is_refused_with_the_field(api_town: ApiTown) -> None:
    path = f"/elders/{api_town.spare_elder}/readings"
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "metric"),
        ({"metric": "blood_pressure"}, "metric"),
        ({"metric": "mood"}, "metric"),
        ({"metric": "spo2", "resolution": "5m"}, "resolution"),
        ({"metric": "spo2", "from": "2026-03-01T00:00:00"}, "from"),
        ({"metric": "spo2", "from": "1969-03-01T00:00:00Z"}, "from"),
        ({"metric": "spo2", "to": "9999-12-31T00:00:00Z"}, "to"),
        ({"metric": "spo2", "from": "2026-03-02T00:00:00Z", "to": "2026-03-02T00:00:00Z"}, "from"),
    ]
    for query, field in refused:
        answer = await api_town.call("operator", "GET", path, **{f"{name}_": value for name, value in query.items()})
        assert answer.status_code == 422, query
        assert [error["field"] for error in answer.json()["errors"]] == [field], query


async def test_every_role_gets_the_vitals_that_are_its_to_see(api_town: ApiTown) -> None:
    elder = api_town.spare_elder
    await api_town.follow("family", elder, "alerts", "visits")
    expected = {
        "admin": 200,
        "operator": 200,
        "supervisor": 200,
        "visitor": 403,
        "regulator": 403,
        "foreign_operator": 404,
        "responder": 404,
        "family": 404,
    }
    for path in ("readings", "readings/latest"):
        found = {
            role: (await api_town.call(role, "GET", f"/elders/{elder}/{path}", metric="heart_rate")).status_code
            for role in expected
        }
        assert found == expected, path
    await api_town.follow("family", elder, "vitals")
    assert (await api_town.call("family", "GET", f"/elders/{elder}/readings", metric="spo2")).status_code == 200
