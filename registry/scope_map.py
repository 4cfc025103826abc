"""Whose each device is now, in memory, with what names the people in an alert: for the time the database is away.

Names stay cipher text here and are opened for the one alert that needs them. 100,000 devices of 60,000 elders take
99 MB (measured), twice that for the seconds in which a changed map is read.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.errors import ConfigurationError
from core.runtime.crypto import Keyring
from core.runtime.service import wait_or_stop
from core.store.ear import Ear, follow
from core.store.pool import Connection, Pool, cut_after
from core.store.queries import load_queries
from registry import elders
from registry.attribution import Attribution, attribute
from registry.directory import CHANNEL
from registry.elder_model import ElderLabel

log = logging.getLogger(__name__)

PAGE = 500
_FILE = ("registry", "queries_scope_map.sql")
# No device has this id: it stands for those nobody knows, and gets the default centre.
_NOBODY = ""
_TABLES = frozenset({"device", "device_binding", "elder"})
# The columns a label is made of; the rows are kept as bare tuples, a third the size of dictionaries.
_LABEL = (
    "elder_no",
    "name_enc",
    "data_key_id",
    "wrapped",
    "master_key_id",
    "building_enc",
    "dwelling_data_key_id",
    "dwelling_wrapped",
    "dwelling_master_key_id",
)
_LOAD_WAIT_S = 60.0
_SHARE = 10


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """What must be known of a device to judge its message, and whose it is."""

    id: str
    device_no: int
    lifecycle: str
    hub_id: str | None
    place: Attribution


@dataclass(frozen=True, slots=True)
class ScopeMap:
    """The registry at one moment; never changes. `nobodys`: where a cry of an unknown device belongs."""

    devices: Mapping[str, PlacedDevice] = field(default_factory=dict)
    labels: Mapping[UUID, tuple[Any, ...]] = field(default_factory=dict)
    nobodys: Attribution | None = None

    def get(self, device_id: str) -> PlacedDevice | None:
        return self.devices.get(device_id)

    def label(self, keyring: Keyring, elder_id: UUID) -> ElderLabel | None:
        """Raises what a wrong master key raises."""
        values = self.labels.get(elder_id)
        return None if values is None else elders.label_of(keyring, dict(zip(_LABEL, values, strict=True)))


async def load_scope_map(conn: Connection, now: datetime) -> ScopeMap:
    """Read page by page, yielding to the event loop in between: an alarm must not wait for a hundred thousand rows."""
    devices: dict[str, PlacedDevice] = {}
    places: dict[Attribution, Attribution] = {}  # each kept once: the devices of a home share it
    after, page = "", PAGE
    while page == PAGE:
        given = {"after": after, "limit": PAGE}
        rows = await (await conn.execute(load_queries(*_FILE)["scope_map_devices"], given)).fetchall()
        owners = await attribute(conn, [(row[0], now) for row in rows])
        for (id, no, lifecycle, hub), owner in zip(rows, owners, strict=True):
            place = places.setdefault(owner, owner)
            devices[id] = PlacedDevice(id, no, sys.intern(lifecycle), hub, place)
        page = len(rows)
        after = rows[-1][0] if rows else after
        await asyncio.sleep(0)
    nobodys = (await attribute(conn, [(_NOBODY, now)]))[0]
    people = sorted({elder for place in places for elder in place.elder_ids})
    return ScopeMap(devices, await _labels(conn, people), nobodys)


async def _labels(conn: Connection, people: list[UUID]) -> dict[UUID, tuple[Any, ...]]:
    found: dict[UUID, tuple[Any, ...]] = {}
    for start in range(0, len(people), PAGE):
        for row in await elders.label_rows(conn, people[start : start + PAGE]):
            found[row["id"]] = tuple(row[name] for name in _LABEL)
        await asyncio.sleep(0)
    return found


class ScopeMapCache:
    """The map as it was a moment ago; with the database away the last one known. Empty until the first load."""

    def __init__(self, pool: Pool, now: Callable[[], datetime], *, refresh_s: float, debounce_s: float = 0.5) -> None:
        self.current = ScopeMap()
        self.loaded = asyncio.Event()
        self._pool, self._now, self._refresh_s, self._debounce_s = pool, now, refresh_s, debounce_s
        self._fingerprint: tuple[object, ...] | None = None

    async def refresh(self, conn: Connection) -> None:
        now = self._now()
        cursor = await conn.execute(load_queries(*_FILE)["scope_map_fingerprint"], {"now": now})
        fingerprint = await cursor.fetchone()
        if fingerprint == self._fingerprint:
            return
        # Read after its fingerprint: a change in between is loaded now and found again, never missed.
        try:
            self.current = await load_scope_map(conn, now)
        except ConfigurationError as error:  # no centre yet: nobody could be told
            log.warning("scope map not loaded: %s", error, extra={"action": "scope_map.no_centre"})
            return
        self._fingerprint = fingerprint
        self.loaded.set()
        log.debug("scope map loaded", extra={"action": "scope_map.loaded", "devices": len(self.current.devices)})

    async def run(self, stop: asyncio.Event) -> None:
        """Refresh at each change of the registry and every `refresh_s` until `stop`; reconnects for ever."""

        async def work(ear: Ear) -> None:
            await self._follow(ear, stop)

        await follow(self._pool, CHANNEL, stop, work, away=_stale)

    async def _follow(self, ear: Ear, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            began = loop.time()
            with cut_after(ear.connection, _LOAD_WAIT_S):
                await self.refresh(ear.connection)
            due = loop.time() + self._refresh_s
            # A town that is being imported changes all the time: reading it may take a tenth of this process, no more.
            pause = min(self._refresh_s, max(self._debounce_s, _SHARE * (loop.time() - began)))
            while not stop.is_set() and (left := due - loop.time()) > 0:
                if await ear.heard(min(1.0, left), _TABLES):
                    await wait_or_stop(stop, pause)
                    break


def _stale(error: BaseException) -> None:
    log.warning(
        "scope map not refreshed, the last one stays in use: %s",
        type(error).__name__,
        extra={"action": "scope_map.stale"},
    )
