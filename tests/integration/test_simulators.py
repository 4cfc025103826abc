"""Simulated homes on the real broker and ingest."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from core.domain.fleet import Fleet, FleetChild, FleetHome, FleetMember
from simulators.chaos.proxy import TcpProxy
from simulators.fleet_run import FleetRun, Play
from simulators.homes import Happening
from simulators.speaker import Speaker
from stack.servers import RunningStack
from tests.fixtures.ingest_house import House, eventually, unique

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

_CHILDREN = (("sos", "sos_button", "bathroom"), ("smoke", "smoke", "kitchen"), ("pir", "pir", "living"))


@pytest.fixture
async def house(database: str, stack_session: RunningStack) -> AsyncIterator[House]:
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


async def fleet_in(house: House, homes: int) -> Fleet:
    """A fleet whose devices the registry knows; the broker lets each in as the platform's own user."""
    server = urlsplit(house.mqtt_url)
    login = {"username": unquote(server.username or ""), "password": unquote(server.password or "")}
    members = []
    for number in range(1, homes + 1):
        tag = unique(f"h{number}")
        children = tuple(FleetChild(device_id=f"{tag}-{name}", type=t, zone=z) for name, t, z in _CHILDREN)
        members.append(FleetMember(device_id=f"{tag}-hub", kind="hub", home=number, children=children, **login))
        members.append(FleetMember(device_id=f"{tag}-watch", kind="watch", home=number, **login))
        await house.add(f"{tag}-hub")
        await house.add(f"{tag}-watch")
        for child in children:
            await house.add(child.device_id, hub=f"{tag}-hub")
    numbered = tuple(FleetHome(number=number, residents=1) for number in range(1, homes + 1))
    return Fleet(seed=3, time_zone="Asia/Shanghai", homes=numbered, members=tuple(members))


async def test_the_first_minute_arrives_as_its_truth_file_says_and_nothing_else_cries(house, tmp_path: Path):
    fleet = await fleet_in(house, 3)
    server = urlsplit(house.mqtt_url)
    truth_file = tmp_path / "truth.json"
    play = Play(
        fleet=fleet,
        host=server.hostname or "",
        port=server.port or 0,
        scenario="first-minute",
        seed=1,
        speed=20,
        minutes=1,
        truth_file=truth_file,
    )
    async with house.worker():
        counts = await FleetRun(play, asyncio.Event()).run()
        expected = {(one["device"], one["type"], one["at"]) for one in json.loads(truth_file.read_text())["expected"]}
        query = (
            "SELECT d.id, e.type, e.at FROM event e JOIN device d USING (device_no)"
            " WHERE e.type IN ('sos', 'fall', 'smoke', 'gas', 'water_leak', 'carbon_monoxide_alarm')"
        )

        async def arrived():
            found = {(id_, kind, at.isoformat(timespec="milliseconds")) for id_, kind, at in await house.rows(query)}
            return found if len(found) >= len(expected) else None

        assert await eventually(arrived) == expected
    assert len(expected) == 3
    assert counts.said == counts.acknowledged
    assert not counts.rejected
    assert {rule for (rule,) in await house.rows("SELECT rule FROM alert")} == {"sos", "fall", "smoke"}


async def test_a_press_while_the_line_is_down_arrives_once_when_it_is_back(house):
    server = urlsplit(house.mqtt_url)
    proxy = await TcpProxy(server.hostname or "", server.port or 0).start()
    hub = FleetMember(
        device_id=house.hub,
        username=unquote(server.username or ""),
        password=unquote(server.password or ""),
        kind="hub",
        home=1,
        children=(FleetChild(device_id=house.child, type="sos_button", zone="bathroom"),),
    )
    async with house.worker():
        speaker = Speaker(hub, proxy.host, proxy.port, lambda: datetime.now(UTC))
        speaker.start()
        await speaker.link.up.wait()
        proxy.freeze()
        proxy.cut()
        await eventually(lambda: not speaker.link.up.is_set())
        speaker.say(Happening(datetime.now(UTC), 1, house.hub, "sos", device=house.child, zone="bathroom"))
        await asyncio.sleep(0.5)
        assert speaker.counts.acknowledged == 0
        proxy.thaw()
        proxy.cut()
        await eventually(lambda: speaker.counts.acknowledged == 1)
        await speaker.close()
    await proxy.stop()
    assert speaker.counts.accepted + speaker.counts.duplicate == 1
    assert await house.rows("SELECT type, device_no FROM event") == [("sos", house.child_no)]
    assert await house.one("SELECT presses FROM alert WHERE rule = 'sos'") == 1


async def test_a_fleet_says_that_it_comes_and_that_it_goes(house):
    fleet = await fleet_in(house, 1)
    server = urlsplit(house.mqtt_url)
    stop = asyncio.Event()
    play = Play(fleet, server.hostname or "", server.port or 0, None, 1, 1, None, None)
    query = "SELECT link FROM device_state WHERE link IS NOT NULL"

    async def links() -> list[str]:
        return [link for (link,) in await house.rows(query)]

    async with house.worker():
        running = asyncio.create_task(FleetRun(play, stop).run())

        async def all_say(word: str) -> bool:
            return await links() == [word, word]

        await eventually(lambda: all_say("online"))
        stop.set()
        await running
        await eventually(lambda: all_say("offline"))
