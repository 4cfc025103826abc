"""Roll-ups against brute force: late, doubled and slow writers, crashes, rebindings, bent days, retention."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from api.history.resolution import MAX_ITEMS
from core.contract.keys import CopyCounter
from core.domain.metrics import METRIC_BY_NAME
from core.runtime.clock import Clock
from core.runtime.service import Service
from core.store.pool import Connection
from history import compression, store
from history.metrics import HistoryMetrics
from history.resolution import HOUR, Resolution
from history.retention import drop_old
from history.roller import Roller
from history.service import HistoryService
from history.settings import HistorySettings
from ingest import store as ingest_store
from ingest.admission import admit, assign_keys, delivery_of
from ingest.writer import Writer
from registry.directory import Directory
from tests.fixtures.device_places import OTHER_REGION, REGION, DevicePlaces
from tests.fixtures.ingest_house import eventually
from tests.fixtures.reading_home import BERLIN, Home, agree
from tests.unit.ingest import words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

KATHMANDU = ZoneInfo("Asia/Kathmandu")
HEART = METRIC_BY_NAME["heart_rate"].number
NOON = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)  # of the day that Berlin makes 23 hours long
LATENESS = timedelta(seconds=60)

Measured = tuple[datetime, float]


class Gauge:
    """A device, as ingest knows it; `said` is what was committed."""

    def __init__(self, id: str, number: int) -> None:
        self.id, self.number = id, number
        self.said: list[Measured] = []
        self.directory = Directory([words.device(id, number)])

    async def write(
        self, conn: Connection, values: list[Measured], now: datetime, *, twice: bool = False, worker: int = 1
    ) -> None:
        """One batch through ingest's own writer, in the caller's transaction."""
        events = [
            {"id": uuid4().hex, "type": "heart_rate", "at": at.isoformat(), "value": value} for at, value in values
        ]
        pieces = []
        for _ in range(1 + twice):
            body = json.dumps({"events": events}).encode()
            made = delivery_of(words.message(f"anxin/v1/{self.id}/up/telemetry", body, at=now))
            admit(made, self.directory)
            assign_keys(made, CopyCounter(0))
            pieces += made.pieces
        written = await Writer(worker, emergency=False).write(conn, pieces, Counter(), now=now)
        assert Counter(outcome.value for outcome in written.outcomes)["accepted"] == len(values)


class HistoryTown:
    """Two elders in two time zones, three gauges, and a roller whose clock the test moves."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url, self._stack = url, stack
        self.now = NOON
        self.elders: dict[ZoneInfo, UUID] = {}
        self.worn: dict[ZoneInfo, list[tuple[Gauge, datetime, datetime]]] = {BERLIN: [], KATHMANDU: []}

    async def connect(self) -> Connection:
        conn = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, options="-c timezone=UTC -c lock_timeout=10s"
        )
        await self._stack.enter_async_context(conn)
        await ingest_store.stage(conn)
        return conn

    async def open(self) -> "HistoryTown":
        self.conn, self.rolling = await self.connect(), await self.connect()
        self.restart()
        places = DevicePlaces(self.conn)
        self.home = Home(self.conn, places, await places.centre())
        await places.centre(region=OTHER_REGION)
        for region, zone in ((REGION, BERLIN), (OTHER_REGION, KATHMANDU)):
            await self.conn.execute("UPDATE region SET time_zone = %s WHERE code = %s", (zone.key, region))
            self.elders[zone] = await self.home.elder(region=region)
        return self

    async def gauge(self, *worn: tuple[ZoneInfo, datetime, datetime | None]) -> Gauge:
        made = Gauge(*await self.home.device())
        for zone, since, until in worn:
            await self.home.bind(made.id, since, until, elder=self.elders[zone])
            self.worn[zone].append((made, since, until or datetime.max.replace(tzinfo=UTC)))
        return made

    def restart(self) -> None:
        """A roller that remembers nothing, as after a kill."""
        self.roller = Roller(
            self.rolling, HistoryMetrics(CollectorRegistry()), lateness_s=LATENESS.total_seconds(), slice_rows=10
        )

    async def say(self, gauge: Gauge, values: list[Measured], *, twice: bool = False) -> None:
        async with self.conn.transaction():
            await gauge.write(self.conn, values, self.now, twice=twice)
        gauge.said += values

    async def roll(self) -> None:
        """Round after round until nothing is left to do."""
        while await self.roller.round(self.now):
            pass

    def expected(self, zone: ZoneInfo, since: datetime, until: datetime) -> list[Measured]:
        return [
            (at, value)
            for gauge, begin, end in self.worn[zone]
            for at, value in gauge.said
            if begin <= at < end and since <= at < until
        ]

    async def check(self, zone: ZoneInfo, since: datetime, until: datetime, resolution: Resolution | None) -> None:
        found = await self.home.series(self.elders[zone], since, until, resolution)
        assert found.next_from is None
        agree(found, self.expected(zone, since, until), zone)

    async def one(self, query: str, *values: Any) -> Any:
        ((value,),) = await (await self.conn.execute(query.encode(), values)).fetchall()
        return value

    async def rolled_up_to(self) -> datetime:
        return (await store.state(self.conn)).rolled_up_to

    async def check_tables(self) -> None:
        """Every closed bucket of every roll-up, whether or not anybody would ask for it."""
        assert await self.one("SELECT count(*) FROM reading_dirty") == 0
        edge = await self.rolled_up_to()
        for table, width in (("reading_1m", "1 minute"), ("reading_1h", "1 hour")):
            wrong = await self.one(
                f"WITH brute AS (SELECT device_no, metric, time_bucket(%s, at) AS at, min(value), max(value),"
                f"  count(*) FROM reading GROUP BY 1, 2, 3)"
                f" SELECT count(*) FROM brute b FULL JOIN {table} t USING (device_no, metric, at)"
                f" WHERE at + %s::interval <= %s AND (b.min, b.max, b.count) IS DISTINCT FROM (t.min, t.max, t.count)",
                width, width, edge,
            )  # fmt: skip
            assert wrong == 0, table
        for zone in (BERLIN, KATHMANDU):
            wrong = await self.one(
                "WITH brute AS (SELECT device_no, metric, time_bucket('1 day', at, %(zone)s) AS at, min(value),"
                "  max(value), count(*) FROM reading GROUP BY 1, 2, 3),"
                " kept AS (SELECT * FROM reading_1d WHERE time_zone = %(zone)s)"
                " SELECT count(*) FROM brute b FULL JOIN kept t USING (device_no, metric, at), rollup_zone z"
                " WHERE z.time_zone = %(zone)s AND at >= z.days_from AND at < z.days_up_to"
                " AND (b.min, b.max, b.count) IS DISTINCT FROM (t.min, t.max, t.count)"
                .replace("%(zone)s", f"'{zone.key}'")
            )  # fmt: skip
            assert wrong == 0, zone


@pytest.fixture
async def town(database: str) -> AsyncIterator[HistoryTown]:
    async with AsyncExitStack() as stack:
        yield await HistoryTown(database, stack).open()


@pytest.mark.parametrize("seed", range(3))
async def test_answers_equal_brute_force_whatever_happens_in_whatever_order(town: HistoryTown, seed: int):
    dice = random.Random(seed)
    change = NOON + timedelta(minutes=30, seconds=17, microseconds=3)
    gauges = [
        await town.gauge((BERLIN, NOON - timedelta(days=99), None)),
        await town.gauge((BERLIN, NOON - timedelta(days=99), change), (KATHMANDU, change, None)),
        await town.gauge((KATHMANDU, NOON - timedelta(days=99), change), (BERLIN, change, None)),
    ]
    # Who makes a chunk holds up others who need it until the commit; that is not what this test is about.
    days = "generate_series(%s::timestamptz, %s, '1 day')"
    await town.conn.execute(
        f"INSERT INTO reading SELECT 0, 0, day, 0 FROM {days} AS day".encode(),
        (NOON - timedelta(days=31), NOON + timedelta(days=9)),
    )
    await town.conn.execute("DELETE FROM reading")
    slow: dict[int, tuple[Connection, Any, list[Measured]]] = {}
    writers = [await town.connect() for _ in gauges]

    def some(late: bool) -> list[Measured]:
        span = dice.choice([timedelta(minutes=10), timedelta(hours=30), timedelta(days=29)]) if late else LATENESS
        back = [dice.random() * span for _ in range(dice.randint(1, 6))]
        values = [(town.now - each, float(dice.randint(40, 180))) for each in back]
        return values + [(values[0][0], 77.7)] * dice.randint(0, 1)  # two readings that are stamped alike

    async def write() -> None:
        number = dice.randrange(len(gauges))
        if number in slow:
            await finish(number)
        await town.say(gauges[number], some(dice.random() < 0.4), twice=dice.random() < 0.2)

    async def write_slowly() -> None:
        number = dice.randrange(len(gauges))
        if number in slow:
            return
        values, conn = some(dice.random() < 0.3), writers[number]
        transaction = conn.transaction()
        await transaction.__aenter__()
        await gauges[number].write(conn, values, town.now, worker=number + 2)
        slow[number] = conn, transaction, values

    async def finish(number: int) -> None:
        _, transaction, values = slow.pop(number)
        await transaction.__aexit__(None, None, None)
        gauges[number].said += values

    async def finish_one() -> None:
        if slow:
            await finish(dice.choice(list(slow)))

    async def roll() -> None:
        await town.roller.round(town.now)

    async def crash() -> None:
        async with town.rolling.transaction(force_rollback=True):
            await town.roller.round(town.now)
        town.restart()

    async def pass_time() -> None:
        town.now += dice.choice([timedelta(seconds=20), timedelta(minutes=3), timedelta(hours=5)]) * dice.random()

    async def check() -> None:
        zone = dice.choice([BERLIN, KATHMANDU])
        since = town.now - dice.random() * dice.choice([timedelta(hours=3), timedelta(days=3), timedelta(days=40)])
        until = since + dice.random() * (town.now + timedelta(minutes=5) - since)
        await town.check(zone, since, until, dice.choice([None, *Resolution]))

    actions: list[Callable[[], Any]] = [write, write, write_slowly, finish_one, roll, roll, pass_time, crash, check]
    for _ in range(150):
        await dice.choice(actions)()
    for number in list(slow):
        await finish(number)
    await town.roll()
    town.now += timedelta(hours=30)
    await town.roll()
    await town.roll()
    await town.check_tables()
    for zone in (BERLIN, KATHMANDU):
        for resolution in Resolution:
            await town.check(zone, NOON - timedelta(days=45), town.now, resolution)


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
        await town.check(BERLIN, NOON - timedelta(days=4), NOON, resolution)


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
