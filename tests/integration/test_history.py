"""Roll-ups against brute force: late, doubled and slow writers, crashes, rebindings, bent days, retention."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry

from api.history.resolution import MAX_ITEMS
from core.domain.metrics import METRIC_BY_NAME
from core.runtime.clock import Clock
from core.runtime.service import Service
from core.store.pool import Connection
from history import compression, store
from history.answers import DeviceSpan, Question, at_least, question
from history.metrics import HistoryMetrics
from history.resolution import HOUR, Resolution
from history.retention import drop_old
from history.service import HistoryService
from history.settings import HistorySettings
from tests.fixtures.device_places import REGION
from tests.fixtures.history_town import KATHMANDU, LATENESS, NOON, HistoryTown, Measured
from tests.fixtures.ingest_house import eventually
from tests.fixtures.reading_home import BERLIN, agree

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

HEART = METRIC_BY_NAME["heart_rate"].number


@pytest.fixture
async def town(database: str) -> AsyncIterator[HistoryTown]:
    async with AsyncExitStack() as stack:
        yield await HistoryTown(database, stack).open()


class AnyOrder:
    """What writers, the roller, a crash, a reader and the clock do to a town, as the dice fall."""

    def __init__(self, town: HistoryTown, seed: int) -> None:
        self.town, self.dice = town, random.Random(seed)
        self.slow: dict[int, tuple[Connection, Any, list[Measured]]] = {}  # gauge -> its transaction that stays open

    async def begin(self) -> None:
        """Three gauges, two of which change their wearer in half an hour, and the chunks of all their days."""
        town, change = self.town, NOON + timedelta(minutes=30, seconds=17, microseconds=3)
        worn = NOON - timedelta(days=99)
        self.gauges = [
            await town.gauge((BERLIN, worn, None)),
            await town.gauge((BERLIN, worn, change), (KATHMANDU, change, None)),
            await town.gauge((KATHMANDU, worn, change), (BERLIN, change, None)),
        ]
        # Who makes a chunk holds up others who need it until the commit; that is not what this test is about.
        days = "generate_series(%s::timestamptz, %s, '1 day')"
        await town.conn.execute(
            f"INSERT INTO reading SELECT 0, 0, day, 0 FROM {days} AS day".encode(),
            (NOON - timedelta(days=31), NOON + timedelta(days=9)),
        )
        await town.conn.execute("DELETE FROM reading")
        self.writers = [await town.connect() for _ in self.gauges]

    async def go_on(self, steps: int) -> None:
        writing = [self.write, self.write, self.write_slowly, self.finish_one]
        actions: list[Callable[[], Any]] = [*writing, self.roll, self.roll, self.pass_time, self.crash, self.check]
        for _ in range(steps):
            await self.dice.choice(actions)()

    async def end(self) -> None:
        """Every transaction is committed, and a day later all is rolled up."""
        for number in list(self.slow):
            await self.finish(number)
        await self.town.roll()
        self.town.now += timedelta(hours=30)
        await self.town.roll()
        await self.town.roll()

    def some(self, late: bool) -> list[Measured]:
        dice = self.dice
        span = dice.choice([timedelta(minutes=10), timedelta(hours=30), timedelta(days=29)]) if late else LATENESS
        back = [dice.random() * span for _ in range(dice.randint(1, 6))]
        values = [(self.town.now - each, float(dice.randint(40, 180))) for each in back]
        return values + [(values[0][0], 77.7)] * dice.randint(0, 1)  # two readings that are stamped alike

    async def write(self) -> None:
        number = self.dice.randrange(len(self.gauges))
        if number in self.slow:
            await self.finish(number)
        twice = self.dice.random() < 0.2
        await self.town.say(self.gauges[number], self.some(self.dice.random() < 0.4), twice=twice)

    async def write_slowly(self) -> None:
        number = self.dice.randrange(len(self.gauges))
        if number in self.slow:
            return
        values, conn = self.some(self.dice.random() < 0.3), self.writers[number]
        transaction = conn.transaction()
        await transaction.__aenter__()
        await self.gauges[number].write(conn, values, self.town.now, worker=number + 2)
        self.slow[number] = conn, transaction, values

    async def finish(self, number: int) -> None:
        _, transaction, values = self.slow.pop(number)
        await transaction.__aexit__(None, None, None)
        self.gauges[number].said += values

    async def finish_one(self) -> None:
        if self.slow:
            await self.finish(self.dice.choice(list(self.slow)))

    async def roll(self) -> None:
        await self.town.roller.round(self.town.now)

    async def crash(self) -> None:
        async with self.town.rolling.transaction(force_rollback=True):
            await self.town.roller.round(self.town.now)
        self.town.restart()

    async def pass_time(self) -> None:
        step = self.dice.choice([timedelta(seconds=20), timedelta(minutes=3), timedelta(hours=5)])
        self.town.now += step * self.dice.random()

    async def check(self) -> None:
        town, dice = self.town, self.dice
        zone = dice.choice([BERLIN, KATHMANDU])
        since = town.now - dice.random() * dice.choice([timedelta(hours=3), timedelta(days=3), timedelta(days=40)])
        until = since + dice.random() * (town.now + timedelta(minutes=5) - since)
        await town.check(zone, since, until, dice.choice([None, *Resolution]))


@pytest.mark.parametrize("seed", range(3))
async def test_answers_equal_brute_force_whatever_happens_in_whatever_order(town: HistoryTown, seed: int):
    order = AnyOrder(town, seed)
    await order.begin()
    await order.go_on(150)
    await order.end()
    await town.check_tables()
    for zone in (BERLIN, KATHMANDU):
        for resolution in Resolution:
            assert await town.check(zone, NOON - timedelta(days=45), town.now, resolution) > 0


async def test_a_batch_that_commits_after_its_minute_was_closed_is_waited_for(town: HistoryTown):
    gauge = await town.gauge((BERLIN, NOON - timedelta(days=9), None))
    await town.say(gauge, [(NOON - timedelta(hours=1), 60.0)])
    await town.roll()
    slow, other = await town.connect(), await town.gauge((BERLIN, NOON - timedelta(days=9), None))
    minute = NOON + timedelta(minutes=2)
    town.now = minute + timedelta(seconds=30)
    transaction = slow.transaction()
    await transaction.__aenter__()
    await gauge.write(slow, [(minute, 71.0)], town.now, worker=2)
    town.now = minute + timedelta(minutes=5)
    await town.roll()
    assert await town.rolled_up_to() <= minute, "a roll-up without the open batch would stay without it"
    # The minutes are closed all the same: who begins now marks what it stores before them.
    await town.say(other, [(minute, 99.0)])
    assert await town.one("SELECT count(*) FROM reading_dirty") == 1
    await transaction.__aexit__(None, None, None)
    gauge.said.append((minute, 71.0))
    await town.roll()
    assert await town.rolled_up_to() > minute
    assert await town.one("SELECT sum(count) FROM reading_1m WHERE at = %s", minute) == 2
    await town.check_tables()


async def test_readings_that_the_roll_ups_do_not_hold_yet_are_in_the_answer(town: HistoryTown):
    gauge = await town.gauge((BERLIN, NOON - timedelta(days=9), None))
    await town.say(gauge, [(NOON - timedelta(days=3) + HOUR * n, 60.0 + n) for n in range(72)])
    await town.roll()
    # A late one and a live one, and nobody rolls up.
    await town.say(gauge, [(NOON - timedelta(days=2), 33.0), (NOON - timedelta(seconds=1), 44.0)])
    for resolution in (None, *Resolution):
        assert await town.check(BERLIN, NOON - timedelta(days=4), NOON, resolution) > 0


async def test_a_new_time_zone_gets_its_days_of_the_past(town: HistoryTown):
    gauge = await town.gauge((BERLIN, NOON - timedelta(days=99), None))
    start = NOON - timedelta(days=60)
    await town.say(gauge, [(NOON - timedelta(days=29) + timedelta(hours=7) * n, 40.0 + n) for n in range(90)])
    await town.home.measure(gauge.number, older := [(start + HOUR * n, 50.0 + n % 9) for n in range(100)])
    gauge.said += older
    town.now += timedelta(hours=1)
    await town.roll()
    await town.conn.execute("UPDATE region SET time_zone = 'Australia/Lord_Howe' WHERE code = %s", (REGION,))
    await town.roll()
    days = await town.one("SELECT count(*) FROM reading_1d WHERE time_zone = 'Australia/Lord_Howe'")
    howe = ZoneInfo("Australia/Lord_Howe")
    assert days == len({at.astimezone(howe).date() for at, _ in gauge.said if at < town.now - timedelta(days=1)})
    found = await town.home.series(town.elders[BERLIN], start, town.now, Resolution.DAY)
    agree(found, town.expected(BERLIN, start, town.now), howe)


async def test_the_finest_that_fits_is_the_same_with_and_without_roll_ups(town: HistoryTown):
    gauge = await town.gauge((BERLIN, NOON - timedelta(days=99), None))
    values = [(NOON - timedelta(days=20) + timedelta(minutes=5) * n, float(n % 60)) for n in range(MAX_ITEMS + 1)]
    await town.home.measure(gauge.number, values)
    gauge.said += values
    for _ in range(2):
        found = await town.home.series(town.elders[BERLIN], NOON - timedelta(days=30), NOON)
        assert found.resolution is Resolution.HOUR
        agree(found, values, BERLIN)
        await town.roll()


async def test_a_device_that_never_measured_this_is_only_looked_at_since_the_newest_day(town: HistoryTown):
    up = NOON - timedelta(days=20) + timedelta(minutes=17)
    watch = await town.gauge((BERLIN, NOON - timedelta(days=99), None))
    silent = await town.gauge((BERLIN, up, None))
    await town.say(watch, [(NOON - timedelta(days=30) + timedelta(hours=3) * n, 60.0 + n % 9) for n in range(240)])
    await town.roll()

    async def asked() -> list[datetime]:
        both = "span AS (SELECT device_no, %(up)s AS since, %(noon)s AS until FROM unnest(%(both)s) AS device_no)"
        params = {"up": up, "noon": NOON, "both": [watch.number, silent.number]}
        found = await question(town.conn, both, params, HEART, BERLIN.key, up, NOON)
        return [span.since for span in found.spans]

    async def check() -> None:
        for resolution in (None, *Resolution):
            await town.check(BERLIN, NOON - timedelta(days=31), NOON, resolution)

    days_up_to = await town.one("SELECT days_up_to FROM rollup_zone WHERE time_zone = %s", BERLIN.key)
    assert await asked() == [up, days_up_to]
    await check()
    # A live one, then late ones: of the very hour in which it was put up, and of days ago.
    await town.say(silent, [(NOON - timedelta(seconds=1), 44.0)])
    await check()
    for late in (up + timedelta(minutes=5), NOON - timedelta(days=9)):
        await town.say(silent, [(late, 99.0)])
        assert await asked() == [up, up], "a mark that waits"
        await check()
        await town.roll()
        assert await asked() == [up, up], "it has a day"
        await check()


async def test_so_many_buckets_are_found_wherever_in_a_long_time_they_lie(town: HistoryTown):
    begin, most = NOON - HOUR * 200, 30
    for device, hours, expected in ((1, range(40), 30), (2, range(155, 195), 30), (3, range(0, 200, 10), 20)):
        await town.conn.execute(
            "INSERT INTO reading_1h SELECT %s, %s, at, 1, 1, 1, 1 FROM unnest(%s::timestamptz[]) AS at",
            (device, HEART, [begin + HOUR * n for n in hours]),
        )
        for since, found in ((begin, expected), (NOON - HOUR * 20, 0)):
            asked = Question([DeviceSpan(device, since, NOON)], HEART, BERLIN.key)
            assert await at_least(town.conn, asked, Resolution.HOUR, most) == found


async def test_raw_readings_go_and_their_roll_ups_stay_whatever_comes_late(town: HistoryTown):
    gauge = await town.gauge((BERLIN, NOON - timedelta(days=200), None))
    start = NOON - timedelta(days=50)
    values = [(start + timedelta(minutes=50) * n, 50.0 + n % 7) for n in range(1400)]
    await town.home.measure(gauge.number, values)
    gauge.said += values
    days = {"reading": 35, "reading_1m": 35, "reading_1h": 1000}
    metrics = HistoryMetrics(CollectorRegistry())
    await drop_old(town.conn, days, metrics, town.now)
    assert await town.one("SELECT count(*) FROM reading") == len(values), "what no roll-up holds is not dropped"
    await town.roll()
    await town.home.measure(gauge.number, late := [(start + timedelta(days=3), 12.0)])
    await town.conn.execute("INSERT INTO reading_dirty VALUES (%s, %s, %s)", (gauge.number, HEART, start))
    await drop_old(town.conn, days, metrics, town.now)
    assert await town.one("SELECT count(*) FROM reading") == len(values) + 1, "a mark that waits holds its readings"
    await town.conn.execute("UPDATE reading_dirty SET hour = %s", (late[0][0].replace(minute=0),))
    gauge.said += late
    await town.roll()
    await drop_old(town.conn, days, metrics, town.now)
    kept_from = await town.one("SELECT raw_from FROM rollup_state")
    assert NOON - timedelta(days=37) < kept_from <= NOON - timedelta(days=35)
    assert await town.one("SELECT min(at) FROM reading") >= kept_from
    until = kept_from + timedelta(days=9)
    for resolution in (Resolution.HOUR, Resolution.DAY, None):
        await town.check(BERLIN, start.replace(minute=0), until, resolution)
    # Too late by far: the roll-ups of that time are all there is, and stay.
    await town.home.measure(gauge.number, [(start + timedelta(days=5), 1.0)])
    await town.conn.execute(
        "INSERT INTO reading_dirty VALUES (%s, %s, %s)", (gauge.number, HEART, start + timedelta(days=5))
    )
    await town.roll()
    await town.check(BERLIN, start.replace(minute=0), until, Resolution.DAY)
    assert await town.one("SELECT count(*) FROM reading_dirty") == 0


async def test_the_licence_is_asked_and_a_refusal_harms_nothing(town: HistoryTown):
    licence = await town.one("SELECT current_setting('timescaledb.license')")
    assert await compression.allowed(town.conn) is (licence != "apache")
    assert await town.one("SELECT count(*) FROM reading") == 0


async def test_only_one_rolls_up_and_the_next_takes_over(town: HistoryTown):
    first, second = await town.connect(), await town.connect()
    assert await store.lock(first)
    assert not await store.lock(second)
    await first.close()
    assert await eventually(lambda: store.lock(second))


async def test_the_program_rolls_up_says_so_and_another_stands_by(town: HistoryTown, database: str):
    town.now = datetime.now(UTC)
    gauge = await town.gauge((BERLIN, town.now - timedelta(days=9), None))
    await town.say(gauge, [(town.now - timedelta(hours=n), 60.0 + n) for n in range(1, 9)])
    services, running = [], []
    for number in (1, 2):
        settings = HistorySettings.load(
            database_url=database, history_number=number, history_period_seconds=0.1, history_status_port=0
        )
        program = HistoryService(settings, Clock(), HistoryMetrics(CollectorRegistry()))
        services.append((Service("history"), program))
        running.append(asyncio.create_task(services[-1][0].run(program.run)))
        name = f"history-{number}"
        await eventually(partial(town.one, "SELECT count(*) FROM component_pulse WHERE component = %s", name))
    assert await town.one("SELECT detail->'active' FROM component_pulse WHERE component = 'history-2'") is False
    await eventually(lambda: town.one("SELECT sum(count) = 8 FROM reading_1m"))
    services[0][0].stop.set()
    await running[0]
    await town.say(gauge, [(town.now - timedelta(hours=5), 99.0)])
    await eventually(lambda: town.one("SELECT sum(count) = 9 FROM reading_1h"))
    for check in services[1][1].checks().values():
        assert await check() is None
    services[1][0].stop.set()
    await running[1]
