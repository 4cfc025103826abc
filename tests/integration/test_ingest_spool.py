"""The spool on the real servers: outages of every kind, workers that die, and each thing stored once."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.contract.keys import STEP
from ingest.spool_disk import Disk
from ingest.spool_files import SpoolFiles, SpoolLimits
from ingest.spool_record import Record
from simulators.chaos.proxy import TcpProxy
from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

LIMITS = SpoolLimits(max_bytes=2**30, segment_bytes=256 * 1024, min_free_bytes=0)


@pytest.fixture
async def house(database: str, stack_session: RunningStack) -> AsyncIterator[House]:
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


@pytest.fixture
async def hub(house: House) -> AsyncIterator[Device]:
    async with Device(house.mqtt_url, house.hub) as made:
        yield made


@pytest.fixture
async def between(house: House) -> AsyncIterator[TcpProxy]:
    """What is between the worker and the database; the tests themselves speak to the database directly."""
    database = urlsplit(house.database_url)
    proxy = await TcpProxy(database.hostname or "127.0.0.1", database.port or 5432).start()
    yield proxy
    await proxy.stop()


def through(proxy: TcpProxy, house: House) -> str:
    database = urlsplit(house.database_url)
    user = database.netloc.rpartition("@")[0]
    return database._replace(netloc=f"{user}@{proxy.host}:{proxy.port}").geturl()


async def test_a_worker_that_starts_without_the_database_takes_an_emergency_at_once(house, hub, between):
    between.refuse()
    async with house.worker(database_url=through(between, house)) as worker:
        alarm, telemetry = worker.lanes
        marks = [await hub.send("alarm", {"id": "1", "type": "sos"}), await hub.send("alarm", {"type": "sos"})]
        marks.append(await hub.send("telemetry", {"id": "t", "type": "heart_rate", "value": 70}))
        await eventually(lambda: (alarm.spool.numbers.messages, telemetry.spool.numbers.messages) == (2, 1))
        await eventually(lambda: alarm.session.in_flight == telemetry.session.in_flight == 0)
        assert hub.receipts == {}
        between.thaw()
        for mark in marks:
            assert (await hub.receipt(mark))["accepted"] == 1
        await eventually(lambda: not (alarm.trouble or telemetry.trouble))
        assert (await hub.tell("alarm", {"id": "2", "type": "sos"}))["accepted"] == 1
        assert alarm.unaccounted == telemetry.unaccounted == 0
    assert await house.rows("SELECT presses FROM alert") == [(3,)]


async def test_a_database_that_hangs_does_not_hold_an_alarm(house, hub, between):
    async with house.worker(database_url=through(between, house), ingest_alarm_write_timeout_seconds=0.5) as worker:
        await hub.tell("alarm", {"id": "1", "type": "sos"})
        between.freeze()
        mark = await hub.send("alarm", {"id": "2", "type": "sos"})
        await eventually(lambda: worker.lanes[0].spool.numbers.messages == 1)
        await eventually(lambda: worker.lanes[0].session.in_flight == 0)
        between.thaw()
        answer = await hub.receipt(mark)
        assert answer["accepted"] + answer["duplicate"] == 1
    assert await house.one("SELECT count(*) FROM event") == 2


async def test_after_a_half_open_line_the_drain_goes_by_a_new_one_and_does_not_wait_for_its_old_one(
    house, hub, between, caplog
):
    both = {"database_url": through(between, house), "ingest_write_timeout_seconds": 2, "ingest_spool_after_seconds": 0}
    async with house.worker(**both) as worker:
        lane = worker.lanes[1]
        between.refuse()
        first = await hub.send("telemetry", {"id": "1", "type": "heart_rate", "value": 70})
        await eventually(lambda: lane.spool.numbers.messages == 1)
        between.thaw()
        assert (await hub.receipt(first))["accepted"] == 1  # now lane and drain have a line each
        await eventually(lambda: not lane.away.is_set())
        await hub.tell("telemetry", {"id": "2", "type": "heart_rate", "value": 70})
        caplog.clear()
        between.strand()
        third = await hub.send("telemetry", {"id": "3", "type": "heart_rate", "value": 70})
        answer = await hub.receipt(third)
        assert answer["accepted"] + answer["duplicate"] == 1
        assert "the spool is not drained for now" not in caplog.text
    assert await house.one("SELECT count(*) FROM reading") == 3


async def test_nameless_presses_that_two_workers_spooled_are_as_many_as_were_pressed(house, hub, between):
    both = {"database_url": through(between, house), "ingest_workers": 2}
    async with house.worker(**both) as one, house.worker(ingest_worker=2, **both) as two:
        # Past the step in which the workers began: from here on they count nameless alarms alike.
        await asyncio.sleep((STEP / 1e6) - datetime.now(UTC).timestamp() % (STEP / 1e6) + 0.5)
        between.refuse()
        marks = [await hub.send("alarm", {"type": "sos"}) for _ in range(3)]
        marks.append(await hub.send("alarm", b"torn"))
        lanes = [one.lanes[0], two.lanes[0]]
        await eventually(lambda: [lane.spool.numbers.messages for lane in lanes] == [4, 4])
        between.thaw()
        await eventually(lambda: all(len(hub.receipts.get(mark, [])) == 2 for mark in marks))
    assert await house.one("SELECT count(*) FROM event") == 3
    assert await house.one("SELECT count(*) FROM dead_letter") == 1
    assert await house.rows("SELECT rule, presses FROM alert ORDER BY rule") == [("sos", 3), ("unreadable_alarm", 1)]
    first, second = await house.counts("alarm", 1), await house.counts("alarm", 2)
    assert first["received"] == second["received"] == 4
    assert first.get("echo", 0) + second.get("echo", 0) == 4


async def test_beyond_the_bound_messages_wait_at_the_broker_and_all_are_stored_in_the_end(house, hub, between):
    small = {"ingest_spool_max_bytes": 1024 * 1024, "ingest_spool_after_seconds": 0}
    async with house.worker(database_url=through(between, house), **small) as worker:
        lane = worker.lanes[1]
        between.refuse()
        padding = b" " * 100_000
        bodies = [json.dumps({"id": f"t{n}", "type": "heart_rate", "value": 70}).encode() for n in range(15)]
        marks = [await hub.send("telemetry", body + padding) for body in bodies]
        await eventually(lambda: lane.spool.full)
        assert "spool takes nothing" in lane.trouble
        assert lane.session.in_flight > 0
        assert 0 < lane.spool.numbers.messages < 15
        assert lane.unaccounted == 0
        between.thaw()
        for mark in marks:
            assert (await hub.receipt(mark))["accepted"] == 1
        await eventually(lambda: lane.session.in_flight == lane.spool.numbers.messages == 0)
        assert lane.unaccounted == 0
    assert await house.one("SELECT count(*) FROM reading") == 15


async def test_live_messages_do_not_wait_for_what_is_drained(house, hub):
    fill(house, "telemetry", [reading(house, n) for n in range(3000)])
    async with house.worker() as worker:
        lane = worker.lanes[1]
        answer = await hub.tell("telemetry", {"id": "live", "type": "heart_rate", "value": 70})
        assert answer["accepted"] == 1
        await eventually(lambda: lane.spool.numbers.messages == 0)
    assert await house.one("SELECT count(*) FROM reading") == 3001
    assert (await house.counts("telemetry")) == {"received": 3001, "accepted": 3001}


async def test_what_the_database_refuses_of_the_spool_is_a_dead_letter_and_its_neighbours_are_stored(house):
    await house.conn.execute("ALTER TABLE reading ADD CONSTRAINT poison CHECK (value <> 42)")
    values = [42 if n in (3, 77) else 70 for n in range(100)]
    fill(house, "telemetry", [reading(house, n, value=value) for n, value in enumerate(values)])
    async with house.worker() as worker:
        await eventually(lambda: worker.lanes[1].spool.numbers.messages == 0)
    assert await house.one("SELECT count(*) FROM reading") == 98
    assert await house.one("SELECT count(*) FROM dead_letter") == 2
    assert await house.counts("telemetry") == {"received": 100, "accepted": 98, "rejected": 2}


async def test_state_from_the_spool_moves_forwards_only(house, hub):
    hours_ago = datetime.now(UTC) - timedelta(hours=2)
    fill(house, "telemetry", [reading(house, 1, kind="battery", value=7, at=hours_ago)])
    async with house.worker() as worker:
        await hub.tell("telemetry", {"id": "now", "type": "battery", "value": 90})
        await eventually(lambda: worker.lanes[1].spool.numbers.messages == 0)
    assert await house.rows("SELECT battery_pct FROM device_state WHERE device_no = %s", house.hub_no) == [(90,)]
    assert await house.one("SELECT count(*) FROM alert") == 0


async def test_a_worker_killed_with_a_spool_drains_it_in_its_next_life(house, hub, between):
    async with process(house, through(between, house)) as worker:
        await eventually(lambda: house.rows("SELECT 1 FROM component_pulse"))  # it is connected
        await hub.tell("alarm", {"id": "0", "type": "sos"})
        between.refuse()
        marks = [await hub.send("alarm", {"id": f"a{n}", "type": "sos"}) for n in range(3)]
        marks += [await hub.send("telemetry", {"id": f"t{n}", "type": "heart_rate", "value": 70}) for n in range(50)]
        await eventually(lambda: spooled(house, "alarm") == 3 and spooled(house, "telemetry") == 50)
        kill(worker)
        await worker.wait()
    assert hub.receipts.keys().isdisjoint(marks)
    between.thaw()
    async with process(house, through(between, house)):
        for mark in marks:
            assert (await hub.receipt(mark))["accepted"] == 1
    assert await house.rows("SELECT presses FROM alert") == [(4,)]
    assert await house.one("SELECT count(*) FROM reading") == 50


async def test_killed_again_and_again_while_it_drains_nothing_is_stored_twice(house):
    """Readings without an id, and refused ones that nothing but the position in the spool tells apart."""
    messages = 20_000
    fill(house, "telemetry", [reading(house, n, value=-1 if n % 100 == 0 else 70) for n in range(messages)])

    async def stored() -> int:
        return int(await house.one("SELECT coalesce(sum(events), 0) FROM ingest_count WHERE outcome = 'received'"))

    deaths, before = 0, 0
    while deaths < 3 and before < messages:
        async with process(house, house.database_url) as worker:

            async def more(before: int = before) -> bool:
                return await stored() > before

            await eventually(more)
            kill(worker)
            await worker.wait()
            deaths, before = deaths + 1, await stored()
    assert before > 0
    async with process(house, house.database_url):

        async def all_stored() -> bool:
            return await stored() >= messages

        await eventually(all_stored, seconds=60)
    assert await house.counts("telemetry") == {
        "received": messages,
        "accepted": messages - messages // 100,
        "rejected": messages // 100,
    }
    assert await house.one("SELECT count(*) FROM reading") == messages - messages // 100
    assert await house.one("SELECT count(*) FROM dead_letter") == messages // 100


async def test_the_pulse_tells_of_the_spool_and_that_a_worker_ended_as_asked(house, hub):
    async with house.worker(ingest_worker=7, ingest_workers=7):
        await eventually(lambda: house.rows("SELECT 1 FROM component_pulse WHERE component = 'ingest-7'"))
        detail = await house.one("SELECT detail FROM component_pulse WHERE component = 'ingest-7'")
    nothing = {"messages": 0, "bytes": 0, "oldest_at": None, "full": False, "drained_per_s": 0.0}
    assert detail["spool"] == {"alarm": nothing, "telemetry": nothing}
    assert 0 < detail["disk_free_pct"] <= 100
    assert detail["unaccounted"] == 0
    assert "stopped" not in detail
    assert (await house.one("SELECT detail FROM component_pulse WHERE component = 'ingest-7'"))["stopped"] is True


# ---- helpers


def reading(house: House, n: int, *, value: float = 70, kind: str = "heart_rate", at: datetime | None = None) -> Record:
    received = (at or datetime.now(UTC)) + timedelta(milliseconds=n)
    body = {"type": kind, "value": value, "at": received.isoformat()}
    return Record(f"anxin/v1/{house.hub}/up/telemetry", json.dumps(body).encode(), received.timestamp())


def fill(house: House, lane: str, records: list[Record]) -> None:
    """The spool of worker 1, as an earlier life left it."""
    files = SpoolFiles(house.spool_dir / "worker-1" / lane, LIMITS, Disk())
    for begin in range(0, len(records), 500):
        files.append(records[begin : begin + 500])
    files.close()


def spooled(house: House, lane: str) -> int:
    """Messages on disk, read as another process may: the writer only ever appends."""
    from ingest.spool_record import split
    from ingest.spool_segment import HEADER_BYTES

    paths = (house.spool_dir / "worker-1" / lane).glob("*.seg")
    return sum(len(split(path.read_bytes()[HEADER_BYTES:], whole=True).records) for path in paths)


@contextlib.asynccontextmanager
async def process(house: House, database_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker of its own process; ended with SIGTERM unless it was killed."""
    settings: dict[str, Any] = {
        "DATABASE_URL": database_url,
        "MQTT_URL": house.mqtt_url,
        "INGEST_CLIENT_ID_PREFIX": house.prefix,
        "INGEST_SPOOL_DIR": house.spool_dir,
        "INGEST_SPOOL_MIN_FREE_BYTES": 0,
        "INGEST_SPOOL_AFTER_SECONDS": 0,
        "INGEST_STATUS_PORT": 0,
        "INGEST_TELEMETRY_SESSION_EXPIRY_SECONDS": 0,
        "INGEST_ALARM_SESSION_EXPIRY_SECONDS": 0,
    }
    environment = {**os.environ, **{f"ANXIN_{name}": str(value) for name, value in settings.items()}}
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "anxin", "ingest", env=environment)
    try:
        yield worker
    finally:
        if worker.returncode is None:
            worker.terminate()
            assert await worker.wait() == 0


def kill(worker: asyncio.subprocess.Process) -> None:
    os.kill(worker.pid, signal.SIGKILL)
