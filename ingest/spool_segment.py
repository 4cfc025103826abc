"""One file of the spool: a header that names it, then records. The newest is open for writing, the others are full."""

import logging
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from ingest.spool_disk import Disk
from ingest.spool_record import MAX_BODY, Placed, split

log = logging.getLogger(__name__)

HEADER_MARK = b"ANXSPL1\n"
HEADER_BYTES = len(HEADER_MARK) + 16
# A full segment carries the number of its records in its name: 4 GiB are not read through at each start.
_NAME = re.compile(r"(\d{10})(?:-(\d+))?\.seg")
_CHUNK = 256 * 1024


@dataclass(slots=True, eq=False)
class Segment:
    """`id` names it for ever, also to the database; `number` orders it. `end`: bytes that are safely on disk.

    `count` records were written, `drained` of them are in the database. `damaged`: it is kept aside in the end.
    """

    path: Path
    number: int
    id: UUID
    end: int = HEADER_BYTES
    count: int = 0
    drained: int = 0
    damaged: bool = False

    @property
    def left(self) -> int:
        return self.count - self.drained


def begin(folder: Path, number: int, disk: Disk) -> tuple[Segment, int]:
    """A new segment and its descriptor; its name is on disk before the first record is."""
    segment = Segment(folder / f"{number:010}.seg", number, uuid4())
    descriptor = disk.create(segment.path)
    try:
        disk.write(descriptor, HEADER_MARK + segment.id.bytes, 0)
        disk.sync(descriptor)
        disk.sync_folder(folder)
    except OSError:
        os.close(descriptor)
        segment.path.unlink(missing_ok=True)
        raise
    return segment, descriptor


def finish(segment: Segment, disk: Disk) -> None:
    """It takes no more: its name says so. A name that cannot be changed costs one reading at the next start."""
    path = segment.path.with_name(f"{segment.number:010}-{segment.count}.seg")
    try:
        segment.path.rename(path)
    except OSError:
        return
    segment.path = path
    disk.sync_folder(path.parent)


def load(path: Path, disk: Disk) -> Segment | None:
    """What an earlier life left; None if the file is no segment. Cuts a torn tail: nothing in it was acknowledged,
    because PUBACK follows the sync."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        return None
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.startswith(HEADER_MARK):
            return None
        segment = Segment(path, int(name[1]), UUID(bytes=header[len(HEADER_MARK) :]))
        if name[2] is not None:
            segment.end, segment.count = path.stat().st_size, int(name[2])
            return segment
        found = split(file.read(), whole=True)
    segment.count, segment.damaged = len(found.records), found.damaged > 0
    segment.end = HEADER_BYTES + found.tail
    torn = path.stat().st_size - segment.end
    if torn:
        log.warning(
            "%d bytes of a write that a crash interrupted are cut; nothing of them was acknowledged",
            torn,
            extra={"action": "ingest.spool_torn", "segment": segment.number},
        )
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, segment.end)
            disk.sync(descriptor)
        finally:
            os.close(descriptor)
    return segment


def read(segment: Segment, offset: int, *, records: int = sys.maxsize) -> tuple[list[Placed], int, int]:
    """(at most so many records from `offset` on, with ends counted from the start of the file; where to read on;
    damaged stretches).

    At least one record, unless only damage is left.
    """
    try:
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return [], segment.end, 1
    try:
        limit = _CHUNK
        while True:
            wanted = min(limit, segment.end - offset)
            data = os.pread(descriptor, wanted, offset)
            # A file that is shorter than it was is damage like any other.
            found = split(data, whole=offset + len(data) >= segment.end or len(data) < wanted, limit=records)
            if found.records or found.used >= len(data) or limit > MAX_BODY:
                break
            limit *= 4
    finally:
        os.close(descriptor)
    placed = [Placed(each.record, offset + each.end) for each in found.records]
    # Also when it ends just where a record does: what was behind that is gone, and nobody may wait for it.
    cut = len(data) < wanted and found.used >= len(data)
    at_end = offset + found.used >= segment.end or cut
    trailing = found.used > found.tail or cut
    return placed, (segment.end if at_end else offset + found.used), found.damaged + trailing


def count_until(segment: Segment, offset: int) -> int:
    """Records before `offset`."""
    at, records = HEADER_BYTES, 0
    while at < min(offset, segment.end):
        placed, at, _ = read(segment, at)
        records += sum(1 for each in placed if each.end <= offset)
    return records
