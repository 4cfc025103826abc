"""The scope map: the same answer as the database gives, fresh after a change, still there without the database."""

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest

from core.runtime.crypto import Keyring
from core.store.pool import make_pool
from registry import elders
from registry.attribution import attribute
from registry.scope_map import ScopeMapCache, load_scope_map
from simulators.chaos.proxy import TcpProxy
from tests.fixtures.api_server import SeededTown, api_settings
from tests.fixtures.ingest_house import eventually

pytestmark = pytest.mark.integration


async def test_it_says_of_every_device_and_person_what_the_database_says(seeded: SeededTown):
    keyring, now = Keyring.from_settings(api_settings()), datetime.now(UTC)
    async with await psycopg.AsyncConnection.connect(seeded.url, autocommit=True) as conn:
        places = await load_scope_map(conn, now)
        ids = [row[0] for row in await (await conn.execute("SELECT id FROM device")).fetchall()]
        owners = await attribute(conn, [(id, now) for id in [*ids, "nobody"]])
        assert len(places.devices) == len(ids) > 20
        assert [places.devices[id].place for id in ids] == owners[:-1]
        assert places.nobodys is not None
        assert (places.nobodys.centre_id, places.nobodys.elder_ids) == (owners[-1].centre_id, ())
        people = {elder for owner in owners for elder in owner.elder_ids}
        named = await elders.labels(conn, keyring, people)
        assert {id: places.label(keyring, id) for id in people} == named
        assert all("*" in label.name_masked for label in named.values())


async def test_a_new_binding_is_known_at_once_and_the_last_map_stays_without_the_database(seeded: SeededTown):
    server = urlsplit(seeded.url)
    proxy = await TcpProxy(server.hostname or "", server.port or 5432).start()
    url = server._replace(netloc=f"{server.netloc.rpartition('@')[0]}@{proxy.host}:{proxy.port}").geturl()
    stop, watch = asyncio.Event(), seeded.watches[0]
    async with make_pool(url, name="test", max_size=2, timeout_s=2) as pool:
        cache = ScopeMapCache(pool, lambda: datetime.now(UTC), refresh_s=60, debounce_s=0.01)
        task = asyncio.create_task(cache.run(stop))
        await eventually(cache.loaded.is_set)
        before = cache.current
        assert before.devices[watch].place.subject_kind == "elder"
        await seeded.run("UPDATE device_binding SET valid = tstzrange(lower(valid), now()) WHERE device_id = %s", watch)
        await eventually(lambda: cache.current.devices[watch].place.subject_kind == "device")
        proxy.freeze()
        assert cache.current.devices[watch].lifecycle == before.devices[watch].lifecycle
        proxy.thaw()
        proxy.cut()
        await seeded.run("UPDATE device SET lifecycle = 'retired' WHERE id = %s", watch)
        await eventually(lambda: cache.current.devices[watch].lifecycle == "retired", seconds=40)
        stop.set()
        await task
    await proxy.stop()
