"""A recording through the real broker and ingest: every reading has one end, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from simulators.chaos.proxy import TcpProxy
from simulators.recordings.find import find
from simulators.recordings.survey import Sensor, Survey, survey, walk
from simulators.replay_devices import Publisher
from simulators.replay_plan import Timing
from simulators.replay_run import ReplayRun
from simulators.replay_tally import Tally
from stack.servers import RunningStack
from tests.fixtures.ingest_house import House, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SENSOR = Sensor("", "watch", "wristband")


@pytest.fixture
async def house(database: str, stack_session: RunningStack) -> AsyncIterator[House]:
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Ten minutes of heart rate, a reading a minute but for one bad line and one without a reading."""
    lines = [f"6/25/2024 10:{minute:02d},{60 + minute},light" for minute in range(10)]
    lines[3] = "6/25/2024 10:03,0,light"
    path = tmp_path / "heart.csv"
    path.write_text("\n".join(["dateTime,bpm,level", *lines, "what is this"]) + "\n")
    return path


async def play(
    house: House,
    recording: Path,
    *,
    child: str,
    port: int = 0,
    speed: float | None = None,
) -> Tally:
    found = find(recording)
    surveyed: Survey = survey(found)
    tally = Tally(read=surveyed.left.total(), skipped=surveyed.left.copy())
    server = urlsplit(house.mqtt_url)
    who = Publisher(house.hub, unquote(server.username or ""), unquote(server.password or ""), {SENSOR: child})
    timing = Timing(datetime.now(UTC), surveyed.span, speed)
    run = ReplayRun(who, server.hostname or "", port or server.port or 0, timing, tally, asyncio.Event())
    await run.run(walk(found, surveyed))
    return tally


async def test_every_reading_is_stored_once_and_a_second_replay_is_all_duplicates(house, recording):
    began = datetime.now(UTC)
    async with house.worker():
        first = await play(house, recording, child=house.child)
        second = await play(house, recording, child=house.child)
    assert (first.read, first.accepted, first.duplicate) == (11, 9, 0)
    assert first.skipped == {"no reading": 1, "unreadable": 1}
    assert (second.accepted, second.duplicate) == (0, 9)
    assert first.closes and second.closes
    rows = await house.rows("SELECT value, at FROM reading WHERE device_no = %s ORDER BY at", house.child_no)
    assert [value for value, _ in rows] == [60, 61, 62, 64, 65, 66, 67, 68, 69]
    assert began - timedelta(minutes=10) <= rows[0][1] and rows[-1][1] <= datetime.now(UTC)


async def test_a_connection_that_is_cut_again_and_again_loses_nothing_and_stores_nothing_twice(house, recording):
    server = urlsplit(house.mqtt_url)
    proxy = await TcpProxy(server.hostname or "", server.port or 0).start()
    async with house.worker():
        # Nine minutes in about three seconds: several batches, with the line going down between and under them.
        playing = asyncio.create_task(play(house, recording, child=house.child, port=proxy.port, speed=180))
        for _ in range(4):
            await asyncio.sleep(0.6)
            proxy.cut()
        tally = await playing
    await proxy.stop()
    assert proxy.accepted > 1
    assert tally.closes
    assert tally.accepted + tally.duplicate == 9
    assert await house.one("SELECT count(*) FROM reading WHERE device_no = %s", house.child_no) == 9


async def test_what_the_platform_rejects_is_counted_by_reason_and_the_sum_closes(house, recording):
    async with house.worker():
        tally = await play(house, recording, child="no-such-child")
    assert tally.rejected == {"unknown_child": 9}
    assert tally.closes


async def test_without_ingest_no_receipt_comes_and_nothing_is_claimed(house, recording):
    server = urlsplit(house.mqtt_url)
    found = find(recording)
    surveyed = survey(found)
    tally, stop = Tally(read=surveyed.left.total(), skipped=surveyed.left.copy()), asyncio.Event()
    who = Publisher(house.hub, unquote(server.username or ""), unquote(server.password or ""), {SENSOR: house.child})
    timing = Timing(datetime.now(UTC), surveyed.span, None)
    run = ReplayRun(who, server.hostname or "", server.port or 0, timing, tally, stop)
    playing = asyncio.create_task(run.run(walk(found, surveyed)))
    await eventually(lambda: run.waiting)
    stop.set()
    await playing
    assert not tally.closes
    assert (tally.accepted, tally.missing) == (0, 9)
