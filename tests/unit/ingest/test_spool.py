"""What the spool says of itself to the watch over the platform."""

import pytest

from ingest.spool import Spool, SpoolFull, SpoolLimits
from ingest.spool_disk import Disk
from ingest.spool_record import Record

RECORD = Record("t", b"x" * 100, 1.0)


class SmallDisk(Disk):
    free = 0

    def free_bytes(self, folder):
        return self.free


async def test_a_full_spool_is_full_until_its_disk_has_room_again_even_if_nobody_appends(tmp_path):
    disk = SmallDisk()
    spool = Spool(tmp_path / "lane", SpoolLimits(max_bytes=10_000, segment_bytes=1000, min_free_bytes=5000), disk=disk)
    with pytest.raises(SpoolFull):
        await spool.append([RECORD])
    disk.free = 5999
    spool.look_for_room()
    assert spool.full is not None
    disk.free = 6000
    spool.look_for_room()
    assert spool.full is None
    await spool.close()


async def test_a_spool_that_reached_its_bound_stays_full_whatever_the_disk_has(tmp_path):
    disk = SmallDisk()
    disk.free = 10**9
    spool = Spool(tmp_path / "lane", SpoolLimits(max_bytes=1200, segment_bytes=1000, min_free_bytes=0), disk=disk)
    await spool.append([RECORD] * 5)
    with pytest.raises(SpoolFull):
        await spool.append([RECORD] * 10)
    spool.look_for_room()
    assert spool.full is not None
    await spool.close()
