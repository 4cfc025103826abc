"""Where a lane puts what the database does not take: on disk first, then acknowledged, drained in order afterwards.

docs/adr/0009-spool.md. Everything that touches the disk runs in a thread of this spool alone: no lane ever waits for
a disk with the event loop, and an alarm never waits behind telemetry's writes.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ingest.spool_disk import Disk
from ingest.spool_files import Drawn, Numbers, Position, SpoolFiles, SpoolFull, SpoolLimits
from ingest.spool_record import Record

__all__ = ["Drawn", "Numbers", "Position", "Spool", "SpoolFull", "SpoolLimits"]


class Spool:
    """A call that raises OSError has changed nothing."""

    def __init__(self, folder: Path, limits: SpoolLimits, *, disk: Disk | None = None) -> None:
        self._disk, self._limits = disk or Disk(), limits
        self._files = SpoolFiles(folder, limits, self._disk)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"spool-{folder.name}")
        self.numbers = Numbers()
        """Of the last finished call."""
        self.filled = asyncio.Event()
        """Set while there is something to drain."""
        self.full: str | None = None
        """Why nothing can be appended, until something could or there is room again."""

    async def open(self) -> None:
        """Find what an earlier life left. A disk that fails now is asked again by every other call."""
        await self._do(self._files.open)

    async def append(self, records: Sequence[Record]) -> None:
        """All of them safely on disk. Raises OSError (SpoolFull among them) when none of them is."""
        if not records:
            return
        try:
            await self._do(lambda: self._files.append(list(records)))
        except OSError as error:
            self.full = str(error)
            raise
        self.full = None

    async def read(self, limit: int) -> list[Drawn]:
        """The next records, at most `limit`; none: all were read. What was read is read again after `resume`."""
        found: list[Drawn] = await self._do(lambda: self._files.read(limit))
        return found

    async def drained(self, position: Position, records: Sequence[Record]) -> None:
        """These are committed, up to `position`; files that are done with are removed."""
        await self._do(lambda: self._files.drained(position, len(records), records[-1].received_at))

    async def resume(self, position: Position | None) -> None:
        """Go on at the position in the database; also after a transaction whose outcome nobody heard."""
        await self._do(lambda: self._files.resume(position))

    async def close(self) -> None:
        await self._do(self._files.close)
        self._thread.shutdown()

    def look_for_room(self) -> None:
        """`full` no longer once a whole segment fits again: after an outage nobody may append for months."""
        if self.full is None:
            return
        size = self._limits.segment_bytes
        try:
            free = self._disk.free_bytes(self._files.folder)
        except OSError:
            return
        if self.numbers.bytes + size <= self._limits.max_bytes and free - size >= self._limits.min_free_bytes:
            self.full = None

    def free_pct(self) -> float | None:
        """Free part of the disk the spool is on; None while it cannot be asked."""
        try:
            return self._disk.free_pct(self._files.folder)
        except OSError:
            return None

    async def _do(self, work: Callable[[], Any]) -> Any:
        def done() -> Any:
            try:
                return work()
            finally:
                self.numbers = self._files.numbers()

        try:
            # Shielded: a cancelled lane must not leave a half-known write behind.
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, done))
        finally:
            self.filled.set() if self.numbers.messages else self.filled.clear()
