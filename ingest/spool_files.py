"""The segments of one lane in order: appended to at one end, drained at the other. Blocking; `ingest.spool` calls it
from a thread of its own, one call at a time."""

import logging
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from ingest import spool_segment as segments
from ingest.spool_disk import FOLDER_MODE, Disk
from ingest.spool_record import Record, frame
from ingest.spool_segment import HEADER_BYTES, Segment

log = logging.getLogger(__name__)


class SpoolFull(OSError):
    """There is no room that the spool may take; nothing was written."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """`min_free_bytes`: what is left free on the disk, which may be the database's; 0: as much as the disk takes."""

    max_bytes: int
    segment_bytes: int
    min_free_bytes: int


class Position(NamedTuple):
    """Everything before `offset` of this segment, and every earlier segment, is in the database."""

    segment: UUID
    offset: int


class Numbers(NamedTuple):
    """What is held and what became of the rest, in messages: found + appended = drained + messages + lost.

    `oldest`: receive time of the oldest that is left, or a little earlier. `damaged`: unreadable stretches met.
    """

    messages: int = 0
    bytes: int = 0
    oldest: float | None = None
    found: int = 0
    appended: int = 0
    drained: int = 0
    lost: int = 0
    damaged: int = 0

    @property
    def unaccounted(self) -> int:
        return self.found + self.appended - self.drained - self.messages - self.lost


class Drawn(NamedTuple):
    """A record taken for draining; `position` is reached when it is committed."""

    record: Record
    position: Position


class SpoolFiles:
    def __init__(self, folder: Path, limits: SpoolLimits, disk: Disk) -> None:
        self.folder, self._limits, self._disk = folder, limits, disk
        self._segments: deque[Segment] = deque()
        self._writing: int | None = None  # descriptor of the newest segment while it takes more
        self._number = 0
        self._start = HEADER_BYTES  # where the first segment is not drained yet
        self._cursor: tuple[Segment, int] | None = None  # where reading goes on; None: at the start
        self._opened = False
        self._outstanding = 0  # records read and not drained
        self._oldest: float | None = None
        self._found = self._appended = self._drained = self._lost = self._damaged = 0

    def numbers(self) -> Numbers:
        """Counted from what is held."""
        return Numbers(
            self._messages,
            self._bytes,
            self._oldest,
            self._found,
            self._appended,
            self._drained,
            self._lost,
            self._damaged,
        )

    @property
    def _messages(self) -> int:
        return sum(segment.left for segment in self._segments)

    @property
    def _bytes(self) -> int:
        return sum(segment.end for segment in self._segments)

    def open(self) -> None:
        """Find what an earlier life left. May be tried again after an OSError."""
        if self._opened:
            return
        self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = []
        for path in sorted(self.folder.glob("*.seg")):
            segment = segments.load(path, self._disk)
            if segment is not None:
                found.append(segment)
            elif path.stat().st_size > HEADER_BYTES:
                self._set_aside(path)
            else:
                path.unlink()  # its header was never on disk, so nothing in it was acknowledged
        self._segments = deque(sorted(found, key=lambda segment: segment.number))
        self._number = max((segment.number for segment in found), default=0)
        self._opened = True
        self._found = self._messages
        self._drop_empty()
        self._look_at_oldest()

    def close(self) -> None:
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    # --- one end

    def append(self, records: list[Record]) -> None:
        """All of them, on disk when it returns; on an OSError none of them is in the spool."""
        self.open()
        data = b"".join(map(frame, records))
        self._find_room(len(data))
        segment, descriptor = self._newest(len(data))
        try:
            self._disk.write(descriptor, data, segment.end)
            self._disk.sync(descriptor)
        except OSError:
            self._leave(segment, descriptor)
            raise
        if not self._messages:
            self._oldest = records[0].received_at
        segment.end += len(data)
        segment.count += len(records)
        self._appended += len(records)

    def _find_room(self, size: int) -> None:
        if self._bytes + size > self._limits.max_bytes:
            raise SpoolFull(f"the spool has reached its {self._limits.max_bytes} bytes")
        least = self._limits.min_free_bytes
        if least and self._disk.free_bytes(self.folder) - size < least:
            raise SpoolFull(f"less than {least} bytes would be free on the spool's disk")

    def _newest(self, size: int) -> tuple[Segment, int]:
        if self._writing is not None:
            newest = self._segments[-1]
            if newest.end + size <= self._limits.segment_bytes or not newest.count:
                return newest, self._writing
            self._finish(newest, self._writing)
        segment, self._writing = segments.begin(self.folder, self._number + 1, self._disk)
        self._number += 1
        self._segments.append(segment)
        return segment, self._writing

    def _leave(self, segment: Segment, descriptor: int) -> None:
        """After a failed write or sync nobody knows what is behind `end`: cut it, and go on in a new segment."""
        try:
            os.ftruncate(descriptor, segment.end)
            self._disk.sync(descriptor)
        except OSError:
            log.warning("what a failed write left could not be cut", extra={"action": "ingest.spool_uncut"})
        self._finish(segment, descriptor)
        self._drop_empty()

    def _finish(self, segment: Segment, descriptor: int) -> None:
        self._writing = None
        os.close(descriptor)
        segments.finish(segment, self._disk)

    # --- the other end

    def read(self, limit: int) -> list[Drawn]:
        """The next records, at most `limit`, all of one segment; none: everything was read."""
        self.open()
        while self._segments:
            segment, offset = self._cursor or (self._segments[0], self._start)
            if offset >= segment.end:
                following = next((each for each in self._segments if each.number > segment.number), None)
                if following is None:
                    self._skip_damage(segment)
                    return []
                self._cursor = (following, HEADER_BYTES)
                continue
            placed, go_on, damaged = segments.read(segment, offset, records=limit)
            if damaged:
                self._tell_damage(segment, damaged)
            self._cursor = (segment, go_on)
            if placed:
                self._outstanding += len(placed)
                return [Drawn(each.record, Position(segment.id, each.end)) for each in placed]
        return []

    def rewind(self) -> None:
        """What was read and not drained will be read again."""
        self._cursor, self._outstanding = None, 0

    def drained(self, position: Position, records: int, oldest: float) -> None:
        """So many more are in the database, up to `position`. `oldest`: receive time of the last of them."""
        segment = self._by_id(position.segment)
        if segment is None:
            return
        segment.drained += records
        self._drained += records
        self._outstanding -= records
        self._forget_until(segment, position.offset)
        self._oldest = oldest if self._messages else None

    def resume(self, position: Position | None) -> None:
        """Go on where the database says; a segment it does not name is not begun yet."""
        self.open()
        self.rewind()
        segment = self._by_id(position.segment) if position is not None else None
        if segment is None or position is None:
            return
        if segment is self._segments[0] and position.offset == self._start:
            return
        left = self._messages
        for each in self._segments:
            if each.number < segment.number:
                each.drained = each.count
        segment.drained = segments.count_until(segment, position.offset)
        self._drained += left - self._messages
        self._forget_until(segment, position.offset)
        self._look_at_oldest()

    def _by_id(self, id: UUID) -> Segment | None:
        return next((segment for segment in self._segments if segment.id == id), None)

    def _forget_until(self, segment: Segment, offset: int) -> None:
        while self._segments[0] is not segment:
            self._remove()
        self._start = offset
        if offset >= segment.end:
            self._remove()

    def _remove(self) -> None:
        segment = self._segments.popleft()
        self._start = HEADER_BYTES
        if self._cursor is not None and self._cursor[0] is segment:
            self._cursor = None
        if not self._segments and self._writing is not None:
            os.close(self._writing)
            self._writing = None
        if segment.left > 0:
            self._lost += segment.left
            log.error(
                "%d messages of a spool file cannot be read",
                segment.left,
                extra={"action": "ingest.spool_lost", "segment": segment.number},
            )
        if segment.damaged or segment.left > 0:
            self._set_aside(segment.path)
        else:
            segment.path.unlink(missing_ok=True)

    def _skip_damage(self, last: Segment) -> None:
        """At the very end: if nothing but damage is left of what was read, there is nothing to wait for."""
        if last.damaged and self._start < last.end and not self._outstanding:
            self._forget_until(last, last.end)
            self._oldest = None

    def _drop_empty(self) -> None:
        for segment in [each for each in self._segments if not each.count and not each.damaged]:
            self._segments.remove(segment)
            segment.path.unlink(missing_ok=True)

    def _tell_damage(self, segment: Segment, stretches: int) -> None:
        if not segment.damaged:
            log.error(
                "a spool file is damaged; what can be read of it is drained, the file is kept in the folder damaged/",
                extra={"action": "ingest.spool_damaged", "segment": segment.number},
            )
        segment.damaged = True
        self._damaged += stretches

    def _set_aside(self, path: Path) -> None:
        folder = self.folder / "damaged"
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with suppress(FileNotFoundError):
            # Numbers begin again when the spool was empty: nothing that was kept before may be overwritten.
            path.rename(folder / f"{path.stem}-{time.time_ns()}.seg")

    def _look_at_oldest(self) -> None:
        self._oldest = None
        if self._segments:
            placed, _, _ = segments.read(self._segments[0], self._start, records=1)
            self._oldest = placed[0].record.received_at if placed else None
