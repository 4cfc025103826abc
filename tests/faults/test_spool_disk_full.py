"""A disk that is really full under the spool. Needs the right to mount a small file system of its own."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House, eventually
from tests.fixtures.proxy import TcpProxy

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


async def test_a_full_disk_loses_nothing_that_was_acknowledged_and_the_rest_waits(house, small_disk):
    database = urlsplit(house.database_url)
    between = await TcpProxy(database.hostname or "", database.port or 5432).start()
    user = database.netloc.rpartition("@")[0]
    url = database._replace(netloc=f"{user}@{between.host}:{between.port}").geturl()
    one_file = {"ingest_spool_dir": small_disk, "ingest_spool_after_seconds": 0, "database_url": url}
    async with house.worker(**one_file) as worker, Device(house.mqtt_url, house.hub) as hub:
        alarm, telemetry = worker.lanes
        between.refuse()
        marks = []
        for n in range(30):
            body = f'{{"id":"t{n}","type":"heart_rate","value":70}}'.encode() + b" " * 60_000
            marks.append(await hub.send("telemetry", body))
        await eventually(lambda: telemetry.spool.full)
        assert "No space left" in telemetry.spool.full
        assert telemetry.session.in_flight > 0
        # The alarm's record is small, but there is nothing left at all for its file: it waits at the broker, too.
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
            except OSError:
                pass
        press = await hub.send("alarm", {"id": "press", "type": "sos"})
        await eventually(lambda: alarm.spool.full)
        assert alarm.session.in_flight == 1
        ballast.unlink()
        await eventually(lambda: alarm.session.in_flight == 0)  # there is room again: on disk, by itself
        between.thaw()
        for mark in [*marks, press]:
            assert (await hub.receipt(mark))["accepted"] == 1
        assert telemetry.unaccounted == alarm.unaccounted == 0
    await between.stop()
    assert await house.one("SELECT count(*) FROM reading") == 30
    assert await house.rows("SELECT presses FROM alert") == [(1,)]
