"""A disk that is really full under the spool. Needs the right to mount a small file system of its own."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from simulators.chaos.proxy import TcpProxy
from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House, eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

DISK_BYTES = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={DISK_BYTES}"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no right to mount a small disk: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
async def house(database: str, stack_session: RunningStack) -> AsyncIterator[House]:
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


@pytest.fixture
async def between(house: House) -> AsyncIterator[TcpProxy]:
    database = urlsplit(house.database_url)
    proxy = await TcpProxy(database.hostname or "127.0.0.1", database.port or 5432).start()
    yield proxy
    await proxy.stop()


async def test_on_a_full_disk_nothing_acknowledged_is_lost_and_the_rest_waits(house, between, small_disk):
    database = urlsplit(house.database_url)
    user = database.netloc.rpartition("@")[0]
    url = database._replace(netloc=f"{user}@{between.host}:{between.port}").geturl()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(DISK_BYTES // 3))
    one_disk = {"ingest_spool_dir": small_disk, "ingest_spool_after_seconds": 0, "ingest_batch_max_events": 2}
    async with house.worker(**one_disk, database_url=url) as worker, Device(house.mqtt_url, house.hub) as hub:
        alarm, telemetry = worker.lanes
        between.refuse()
        padding = b" " * 60_000
        bodies = [f'{{"id":"t{n}","type":"heart_rate","value":70}}'.encode() for n in range(30)]
        marks = [await hub.send("telemetry", body + padding) for body in bodies]
        await eventually(lambda: telemetry.spool.full)
        assert "No space left" in telemetry.spool.full
        assert telemetry.session.in_flight > 0
        held = telemetry.spool.numbers.messages
        marks.append(await hub.send("alarm", {"id": "press", "type": "sos"}))
        ballast.unlink()
        # There is room again: both lanes find it by themselves.
        await eventually(lambda: alarm.session.in_flight == 0 and telemetry.spool.numbers.messages > held)
        await eventually(lambda: telemetry.spool.full)
        between.thaw()
        for mark in marks:
            assert (await hub.receipt(mark))["accepted"] == 1
        assert telemetry.unaccounted == alarm.unaccounted == 0
    assert await house.one("SELECT count(*) FROM reading") == 30
    assert await house.rows("SELECT presses FROM alert") == [(1,)]
