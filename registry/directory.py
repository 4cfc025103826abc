"""Every device by its id, in memory: ingest asks for each message, so it cannot ask the database.

A fleet of 100,000 is read in pages, so that the event loop (and the alarm lane in it) never stands still for the
whole of it, and only when a fingerprint says that something changed.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from core.runtime.service import wait_or_stop
from core.store.ear import Ear, follow
from core.store.pool import Connection, Pool
from core.store.queries import load_queries

log = logging.getLogger(__name__)

CHANNEL = "registry_changed"
PAGE = 500
_TABLES = frozenset({"device"})
_LOAD_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """What must be known of a device to judge its message. `device_no` is the key of its telemetry rows."""

    id: str
    device_no: int
    lifecycle: str
    hub_id: str | None
    centre_id: UUID | None
    device_type: str


class Directory:
    """All devices at one moment; never changes."""

    get: Callable[[str], DeviceEntry | None]
    """By id. The mapping's own method: ingest asks twice for each reading."""

    def __init__(self, entries: Iterable[DeviceEntry] = ()) -> None:
        self._hold({entry.id: entry for entry in entries})

    @classmethod
    def of(cls, by_id: Mapping[str, DeviceEntry]) -> Self:
        """Around a mapping that nobody changes any more, without copying it."""
        directory = cls()
        directory._hold(by_id)
        return directory

    def _hold(self, by_id: Mapping[str, DeviceEntry]) -> None:
        self._by_id, self.get = by_id, by_id.get

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[DeviceEntry]:
        return iter(self._by_id.values())


async def load_directory(conn: Connection) -> Directory:
    """Read all devices in one snapshot, yielding to the event loop between pages."""
    by_id: dict[str, DeviceEntry] = {}
    centres: dict[UUID | None, UUID | None] = {}  # each kept once: fewer objects for the collector to walk
    async with conn.transaction(), conn.cursor("directory") as cursor:
        await cursor.execute(load_queries("registry", "queries_directory.sql")["directory"])
        while page := await cursor.fetchmany(PAGE):
            for id_, no, lifecycle, hub, centre, kind in page:
                by_id[id_] = DeviceEntry(
                    id_, no, sys.intern(lifecycle), hub, centres.setdefault(centre, centre), sys.intern(kind)
                )
            await asyncio.sleep(0)
    return Directory.of(by_id)


class DirectoryCache:
    """The directory as it was a moment ago. With the database away it goes on serving the last one known.

    `current` is empty until the first load: wait for `loaded` before judging a device unknown.
    """

    def __init__(self, pool: Pool, *, poll_s: float = 30, debounce_s: float = 0.05) -> None:
        self.current = Directory()
        self.loaded = asyncio.Event()
        self._pool, self._poll_s, self._debounce_s = pool, poll_s, debounce_s
        self._fingerprint: tuple[object, ...] | None = None
        self._lock = asyncio.Lock()
        self._begun = 0

    async def refresh(self) -> None:
        """Return when `current` is at least as new as this call. Callers at the same time share one load.

        Raises what the database raises (`is_retryable` tells whether it is only away); `current` then stays.
        """
        asked = self._begun
        async with self._lock:
            if self._begun > asked:
                return
            # Half-open, it would hold the lock and with it every lane that asks for a stranger, for ever.
            async with asyncio.timeout(_LOAD_WAIT_S), self._pool.connection() as conn:
                await self._load(conn)

    async def _load(self, conn: Connection) -> None:
        self._begun += 1
        cursor = await conn.execute(load_queries("registry", "queries_directory.sql")["directory_fingerprint"])
        fingerprint = await cursor.fetchone()
        if fingerprint == self._fingerprint and self.loaded.is_set():
            return
        # Read after its fingerprint: a change in between is loaded now and found again, never missed.
        self.current = await load_directory(conn)
        self._fingerprint = fingerprint
        self.loaded.set()
        log.debug("directory loaded", extra={"action": "directory.loaded", "devices": len(self.current)})

    async def run(self, stop: asyncio.Event) -> None:
        """Refresh at each change of a device and every `poll_s` until `stop`; reconnects for ever."""

        async def work(ear: Ear) -> None:
            await self._follow(ear, stop)

        await follow(self._pool, CHANNEL, stop, work, away=_stale)

    async def _follow(self, ear: Ear, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        await self.refresh()
        due = loop.time() + self._poll_s
        while not stop.is_set():
            if await ear.heard(min(1.0, max(0.0, due - loop.time())), _TABLES):
                if await wait_or_stop(stop, self._debounce_s):
                    return
            elif loop.time() < due:
                continue
            await self.refresh()
            due = loop.time() + self._poll_s


def _stale(error: BaseException) -> None:
    log.warning(
        "directory not refreshed, the last one stays in use: %s",
        type(error).__name__,
        extra={"action": "directory.stale"},
    )
