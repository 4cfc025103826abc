"""The files of the spool: order, bounds, crashes, damage, disks that fail."""

import errno
import os
import stat

import pytest

from core.errors import ConfigurationError
from ingest.spool_disk import Disk, hold
from ingest.spool_files import Position, SpoolFiles, SpoolFull, SpoolLimits
from ingest.spool_record import Record, frame
from ingest.spool_segment import HEADER_BYTES

LIMITS = SpoolLimits(max_bytes=1_000_000, segment_bytes=1000, min_free_bytes=0)


class FailingDisk(Disk):
    """Fails the named calls while `broken`."""

    def __init__(self, *calls: str) -> None:
        self.calls, self.broken = calls, False

    def _fail(self, call: str) -> None:
        if self.broken and call in self.calls:
            raise OSError(errno.ENOSPC, "No space left on device")

    def create(self, path):
        self._fail("create")
        return super().create(path)

    def write(self, descriptor, data, offset):
        if self.broken and "write" in self.calls:
            super().write(descriptor, data[: len(data) // 2], offset)  # a full disk takes the first half
            self._fail("write")
        super().write(descriptor, data, offset)

    def sync(self, descriptor):
        self._fail("sync")
        super().sync(descriptor)


def records(first: int, count: int, *, size: int = 100) -> list[Record]:
    return [Record(f"t/{n}", b"x" * size, float(n)) for n in range(first, first + count)]


def opened(folder, limits=LIMITS, disk=None) -> SpoolFiles:
    files = SpoolFiles(folder / "lane", limits, disk or Disk())
    files.open()
    return files


def drain(files: SpoolFiles, limit: int = 7) -> list[float]:
    """Everything, each batch committed; the receive times in order."""
    times = []
    while drawn := files.read(limit):
        times += [each.record.received_at for each in drawn]
        files.drained(drawn[-1].position, len(drawn), drawn[-1].record.received_at)
    return times


def segment_files(folder) -> list:
    return sorted((folder / "lane").glob("*.seg"))


def test_what_was_written_comes_out_in_order_over_many_files_and_leaves_none(tmp_path):
    files = opened(tmp_path)
    for n in range(0, 60, 3):
        files.append(records(n, 3))
    assert len(segment_files(tmp_path)) > 5
    assert files.numbers().messages == 60
    assert drain(files) == list(range(60))
    assert segment_files(tmp_path) == []
    assert files.numbers()[:4] == (0, 0, None, 0)
    assert files.numbers().unaccounted == 0


def test_files_are_for_their_owner_only(tmp_path):
    files = opened(tmp_path)
    files.append(records(0, 1))
    (path,) = segment_files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_life_goes_on_where_the_database_says(tmp_path):
    first = opened(tmp_path)
    for n in range(0, 30, 3):
        first.append(records(n, 3))
    drawn = [*first.read(5), *first.read(5), *first.read(5)]
    first.close()

    second = opened(tmp_path)
    assert second.numbers().messages == 30
    assert second.numbers().oldest == 0
    second.resume(drawn[-1].position)
    assert second.numbers().messages == 30 - len(drawn)
    assert drain(second) == list(range(len(drawn), 30))
    assert second.numbers().unaccounted == 0


def test_a_position_in_a_file_that_is_not_there_skips_nothing(tmp_path):
    files = opened(tmp_path)
    files.append(records(0, 3))
    stranger = opened(tmp_path / "other")
    stranger.append(records(0, 3))
    files.resume(stranger.read(3)[-1].position)
    assert drain(files) == [0, 1, 2]


def test_what_was_read_and_not_committed_is_read_again(tmp_path):
    files = opened(tmp_path)
    files.append(records(0, 6))
    files.read(4)
    files.resume(None)
    assert drain(files) == list(range(6))


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_torn_tail_is_cut_and_the_acknowledged_stay(tmp_path, cut):
    first = opened(tmp_path)
    first.append(records(0, 2))
    (path,) = segment_files(tmp_path)
    safe = path.stat().st_size
    first.close()
    with path.open("ab") as file:
        file.write(frame(records(2, 1)[0])[:cut])
    second = opened(tmp_path)
    assert path.stat().st_size == safe
    second.append(records(3, 1))
    assert drain(second) == [0, 1, 3]
    assert not (tmp_path / "lane/damaged").exists()


def test_a_file_without_a_header_is_removed_and_one_that_is_no_segment_set_aside(tmp_path):
    (tmp_path / "lane").mkdir()
    (tmp_path / "lane/0000000001.seg").write_bytes(b"ANX")
    (tmp_path / "lane/0000000002.seg").write_bytes(b"y" * 100)
    files = opened(tmp_path)
    assert segment_files(tmp_path) == []
    assert len(list((tmp_path / "lane/damaged").iterdir())) == 1
    files.append(records(0, 1))
    assert drain(files) == [0]


def test_damage_in_the_middle_costs_its_record_only_and_the_file_is_kept(tmp_path):
    files = opened(tmp_path)
    for n in range(0, 30, 3):
        files.append(records(n, 3))
    path = segment_files(tmp_path)[1]
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 30] ^= 0xFF
    path.write_bytes(data)
    times = drain(files)
    assert len(times) == 29
    assert times == sorted(times)
    numbers = files.numbers()
    assert (numbers.messages, numbers.lost, numbers.damaged, numbers.unaccounted) == (0, 1, 1, 0)
    assert len(list((tmp_path / "lane/damaged").iterdir())) == 1


def test_a_file_of_nothing_but_damage_is_no_end(tmp_path):
    files = opened(tmp_path)
    files.append(records(0, 3))
    (path,) = segment_files(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:HEADER_BYTES] + bytes(len(data) - HEADER_BYTES))
    assert drain(files) == []
    assert files.numbers().lost == 3
    files.append(records(3, 1))
    assert drain(files) == [3]


@pytest.mark.parametrize("limit", [2, 7])
def test_a_file_cut_at_a_records_boundary_while_it_is_in_use_comes_to_an_end(tmp_path, limit):
    files = opened(tmp_path)
    files.append(records(0, 3))
    (path,) = segment_files(tmp_path)
    os.truncate(path, HEADER_BYTES + 2 * len(frame(records(0, 1)[0])))
    assert drain(files, limit) == [0, 1]
    numbers = files.numbers()
    assert (numbers.messages, numbers.lost, numbers.damaged, numbers.unaccounted) == (0, 1, 1, 0)
    assert len(list((tmp_path / "lane/damaged").iterdir())) == 1
    files.append(records(3, 1))
    assert drain(files) == [3]


def test_beyond_its_bound_it_takes_nothing_until_there_is_room(tmp_path):
    one = len(frame(records(0, 1)[0]))
    files = opened(tmp_path, SpoolLimits(max_bytes=10 * one, segment_bytes=3 * one, min_free_bytes=0))
    taken = 0
    with pytest.raises(SpoolFull):
        while True:
            files.append(records(taken, 1))
            taken += 1
    assert files.numbers().messages == taken
    drawn = files.read(taken)
    files.drained(drawn[-1].position, len(drawn), 0.0)
    files.read(1)
    files.append(records(taken, 1))


def test_it_leaves_the_disk_the_room_it_is_told_to(tmp_path):
    free = Disk().free_bytes(tmp_path)
    files = opened(tmp_path, SpoolLimits(max_bytes=2**40, segment_bytes=1000, min_free_bytes=free + 2**40))
    with pytest.raises(SpoolFull, match="free"):
        files.append(records(0, 1))
    assert files.numbers().messages == 0


@pytest.mark.parametrize("call", ["create", "write", "sync"])
def test_a_disk_that_fails_takes_all_of_a_batch_or_nothing(tmp_path, call):
    disk = FailingDisk(call)
    files = opened(tmp_path, disk=disk)
    if call != "create":
        files.append(records(0, 2))
    disk.broken = True
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            files.append(records(100, 2))
    disk.broken = False
    files.append(records(2, 2))
    expected = [2, 3] if call == "create" else [0, 1, 2, 3]
    assert files.numbers().messages == len(expected)
    files.close()
    assert drain(opened(tmp_path)) == expected


def test_a_file_that_somebody_deleted_is_told_and_no_end(tmp_path):
    files = opened(tmp_path)
    for n in range(0, 30, 3):
        files.append(records(n, 3))
    segment_files(tmp_path)[1].unlink()
    times = drain(files)
    assert times == sorted(times)
    assert files.numbers().lost == 30 - len(times) > 0
    assert files.numbers().unaccounted == 0


def test_a_second_process_is_refused_with_a_sentence(tmp_path):
    import os

    held = hold(tmp_path / "worker-1")
    with pytest.raises(ConfigurationError, match="--worker N"):
        hold(tmp_path / "worker-1")
    os.close(held)
    os.close(hold(tmp_path / "worker-1"))


def test_a_folder_that_cannot_be_made_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="ANXIN_INGEST_SPOOL_DIR"):
        hold(tmp_path / "file" / "worker-1")


def test_the_position_is_reached_exactly_once(tmp_path):
    """A batch whose commit was not heard of: the database's position is ahead of what this process knows."""
    files = opened(tmp_path)
    files.append(records(0, 6))
    drawn = files.read(4)
    files.resume(drawn[-1].position)
    assert files.numbers().messages == 2
    assert files.numbers().unaccounted == 0
    assert drain(files) == [4, 5]
    assert isinstance(drawn[0].position, Position)
