"""The emergency path on a real broker, a real database behind a proxy that can be cut, and a real API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from api.emergency import carry_out
from core.runtime.mqtt import MqttSession
from ingest.worker import IngestWorker
from registry.access import Scope, load_scope
from simulators.chaos.proxy import TcpProxy
from stack.servers import RunningStack
from tests.fixtures.api_server import Live, RunningApi, SeededTown, serving
from tests.fixtures.ingest_house import House, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@dataclass
class Desk:
    """An API whose database can be taken away, a device, and ingest, which keeps its database."""

    api: RunningApi
    database: TcpProxy
    mqtt_url: str
    session: MqttSession

    @property
    def device(self) -> str:
        return self.api.seeded.watches[0]

    async def press(self, device: str | None = None, **event: object) -> None:
        body = {"type": "sos", "id": uuid4().hex, **event}
        body = {name: value for name, value in body.items() if value is not None}
        topic = f"anxin/v1/{device or self.device}/up/alarm"
        await self.session.publish(topic, json.dumps(body).encode())

    async def away(self) -> None:
        """Half-open: nothing answers, nothing fails."""
        self.database.freeze()
        await eventually(lambda: self.api.app.state.services.emergency.degraded)

    async def back(self) -> None:
        self.database.thaw()
        self.database.cut()
        await eventually(lambda: not self.api.app.state.services.emergency.degraded)


@asynccontextmanager
async def desk(seeded: SeededTown, stack: RunningStack, **changes: object) -> AsyncIterator[Desk]:
    server = urlsplit(seeded.url)
    proxy = await TcpProxy(server.hostname or "", server.port or 5432).start()
    through = server._replace(netloc=f"{server.netloc.rpartition('@')[0]}@{proxy.host}:{proxy.port}").geturl()
    try:
        options = {"database_url": through, "mqtt_url": stack.mqtt_url, **changes}
        async with serving(seeded, **options) as api, MqttSession(stack.mqtt_url, client_id=uuid4().hex) as session:
            emergency = api.app.state.services.emergency
            for up in (session.connected, emergency.session.connected, emergency.places.loaded):
                async with asyncio.timeout(20):
                    await up.wait()
            yield Desk(api, proxy, stack.mqtt_url, session)
            await asyncio.sleep(0)
            proxy.thaw()
    finally:
        await proxy.stop()


@pytest.fixture
async def town_desk(seeded: SeededTown, stack_session: RunningStack) -> AsyncIterator[Desk]:
    async with desk(seeded, stack_session, live_heartbeat_seconds=60) as made:
        yield made


@pytest.fixture
def ingest(seeded: SeededTown, stack_session: RunningStack) -> Callable[[], AbstractAsyncContextManager[IngestWorker]]:
    house = House(seeded.url, stack_session.mqtt_url)
    return house.worker


async def next_of(live: Live, kind: str) -> dict:
    while True:
        frame = await live.next(20)
        if frame["type"] == kind:
            return frame


async def test_with_the_database_away_a_press_rings_in_its_centre_alone_and_is_taken_there_and_then(
    town_desk: Desk, ingest
):
    """The whole story: away, rings, is taken, back, is stored as one alert under the same id and in that name."""
    api = town_desk.api
    async with ingest():
        operator, foreign = await api.live("operator"), await api.live("foreign_operator")
        client, other = await api.client("operator"), await api.client("operator2")
        me = (await client.get("/api/v1/me")).json()
        assert (await other.get("/api/v1/me")).status_code == 200  # known here from now on
        foreign_client = await api.client("foreign_operator")
        await foreign_client.get("/api/v1/me")
        await operator.next(), await foreign.next()
        await town_desk.away()
        assert (await next_of(operator, "heartbeat"))["degraded"] is True
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503

        # Ingest has its database; this process cannot know that, so it rings.
        await town_desk.press(id="one")
        told = await next_of(operator, "alert.provisional")
        alert, id = told["data"], told["provisional_id"]
        assert (told["seq"], told["stored"], alert["id"], alert["stored"]) == (None, False, id, False)
        assert (alert["rule"], alert["severity"], alert["status"], alert["presses"]) == ("sos", "p0", "open", 1)
        assert "*" in alert["elder"]["name_masked"] and alert["elder"]["building"]
        await town_desk.press(id="two")
        again = await next_of(operator, "alert.provisional")
        assert (again["provisional_id"], again["data"]["presses"]) == (id, 2)

        path = f"/api/v1/alerts/{id}/acknowledge"
        assert (await foreign_client.post(path)).status_code == 404
        taken = await client.post(path, headers={"Idempotency-Key": "k"})
        assert taken.status_code == 200, taken.text
        assert (taken.json()["status"], taken.json()["stored"]) == ("acknowledged", False)
        assert (await client.post(path)).status_code == 200
        held = await other.post(path)
        assert (held.status_code, held.json()["code"]) == (409, "alert-held")
        frame = await next_of(operator, "alert.provisional")
        assert (frame["data"]["owner"]["id"], frame["data"]["status"]) == (me["id"], "acknowledged")
        late = await api.live("operator2", token=other.headers["Authorization"].removeprefix("Bearer "))
        hello = await late.next()
        assert (hello["type"], hello["degraded"], hello["alerts"]) == ("hello", True, [])
        assert (await late.next())["provisional_id"] == id

        await town_desk.back()
        opened = await next_of(operator, "alert.opened")
        pressed = await next_of(operator, "alert.pressed")
        acknowledged = await next_of(operator, "alert.acknowledged")
        assert opened["provisional_id"] == pressed["provisional_id"] == id
        assert (pressed["data"]["presses"], pressed["data"]["stored"]) == (2, True)
        assert (acknowledged["data"]["id"], acknowledged["data"]["owner"]["id"]) == (opened["data"]["id"], me["id"])
        rows = await api.seeded.fetch("SELECT status, presses FROM alert")
        assert rows == [("acknowledged", 2)]
        [(detail,)] = await api.seeded.fetch("SELECT detail FROM alert_event WHERE type = 'alert.acknowledged'")
        assert detail == {"provisional_id": id}
        # Whoever still has the old id on the screen acts on what it became.
        assert (await client.post(f"/api/v1/alerts/{id}/note", json={"text": "n"})).json()["id"] == opened["data"]["id"]
        assert api.app.state.services.emergency.watch.live == []
        await foreign.say(type="ping")
        assert (await next_of(foreign, "pong"))["seq"] == 0  # nothing of it ever came here


async def test_a_healthy_platform_never_raises_a_provisional(seeded: SeededTown, stack_session: RunningStack, ingest):
    # Longer than a second: what is tested is that every press is known again, not how busy this machine is.
    async with ingest(), desk(seeded, stack_session, emergency_wait_ms=5000) as town_desk:
        api = town_desk.api
        live = await api.live("operator")
        await live.next()
        await asyncio.gather(*(town_desk.press(api.seeded.watches[number % 14], id=None) for number in range(150)))
        await asyncio.gather(*(town_desk.press(api.seeded.watches[number % 14]) for number in range(150)))
        seen: list[str] = []
        while seen.count("alert.opened") + seen.count("alert.pressed") < 300:
            seen.append((await live.next_alert(60))["type"])
        watch = api.app.state.services.emergency.watch
        await eventually(lambda: watch.next_due() is None)
        assert set(seen) == {"alert.opened", "alert.pressed"}
        assert watch.live == []


async def test_without_ingest_a_press_rings_after_its_second_and_a_console_that_comes_later_sees_it(
    town_desk: Desk, ingest
):
    api = town_desk.api
    live = await api.live("operator")
    await live.next()
    await town_desk.press(id=None)
    told = await next_of(live, "alert.provisional")
    later = await api.live("operator")
    hello = await later.next()
    assert "degraded" not in hello
    assert (await later.next())["provisional_id"] == told["provisional_id"]
    client = await api.client("operator")
    assert (await client.post(f"/api/v1/alerts/{told['provisional_id']}/acknowledge")).status_code == 200
    refused = await client.post(f"/api/v1/alerts/{told['provisional_id']}/resolve", json={"outcome": "helped"})
    assert refused.status_code == 404


async def test_a_line_that_falls_silent_while_the_acknowledgement_is_written_down_holds_it_up_and_no_more(
    town_desk: Desk, ingest, monkeypatch: pytest.MonkeyPatch
):
    """Half-open for good: only a limit of our own notices. Its taker believes that it is theirs."""
    api, silenced = town_desk.api, 0

    async def silent_before(*asked: Any) -> Scope:
        nonlocal silenced
        if not silenced:
            town_desk.database.strand()
        silenced += 1
        return await load_scope(*asked)

    monkeypatch.setattr(carry_out, "load_scope", silent_before)
    live, client = await api.live("operator"), await api.client("operator")
    await live.next()
    await client.get("/api/v1/me")  # known here from now on
    async with ingest(), asyncio.timeout(60):
        await town_desk.away()
        await town_desk.press()
        id = (await next_of(live, "alert.provisional"))["provisional_id"]
        assert (await client.post(f"/api/v1/alerts/{id}/acknowledge")).status_code == 200
        await town_desk.back()
        assert (await next_of(live, "alert.acknowledged"))["data"]["owner"] is not None
    assert await api.seeded.fetch("SELECT status FROM alert") == [("acknowledged",)]
    assert silenced > 1


async def test_a_message_sent_again_that_is_stored_does_not_ring_again(town_desk: Desk, ingest):
    api = town_desk.api
    async with ingest():
        first = await api.live("operator")
        await first.next()
        await town_desk.press(id="one")
        await next_of(first, "alert.opened")
    watch = api.app.state.services.emergency.watch
    watch._seen.clear()  # as after a restart: only the database knows
    await town_desk.press(id="one")
    await town_desk.press(api.seeded.watches[1], id="two")
    assert (await next_of(first, "alert.provisional"))["data"]["evidence"][0]["device_id"] == api.seeded.watches[1]
    assert len(watch.live) == 1


async def test_while_the_database_is_away_no_socket_is_closed_for_its_token_and_a_stranger_waits(town_desk: Desk):
    api = town_desk.api
    live = await api.live("operator")
    await live.next()
    scopes = api.app.state.services.emergency.scopes
    known = (await api.sign_in("operator2"))["access_token"]
    unknown = (await api.sign_in("supervisor"))["access_token"]
    scopes._scopes.popitem()  # as if another process had signed it in
    await town_desk.away()
    api.clock.shift += scopes._kept * 2  # every token has run out, and nobody can renew one
    assert (await (await api.live("operator2", token=known)).next())["degraded"] is True
    assert (await (await api.live("supervisor", token=unknown)).closed())[0] == 1013
    await town_desk.press()
    assert (await next_of(live, "alert.provisional"))["stored"] is False
    await town_desk.back()
    assert (await live.closed())[0] == 4401  # now it could renew


async def test_without_a_database_who_signs_in_or_asks_is_told_to_come_back_and_never_left_waiting(
    seeded: SeededTown, stack_session: RunningStack
):
    """A half-open line fails nothing: without a limit of our own the request would hang until the database is back."""
    async with desk(seeded, stack_session, database_timeout_seconds=2) as at:
        anybody, operator = await at.api.client(), await at.api.client("operator")
        account = seeded.town.accounts["operator"]

        async def refused() -> None:
            async with asyncio.timeout(20):
                answers = await asyncio.gather(
                    anybody.post("/api/v1/auth/token", data=account),
                    anybody.post("/api/v1/auth/token", data={**account, "password": "wrong"}),
                    anybody.post("/api/v1/auth/refresh", json={"refresh_token": "any"}),
                    operator.get("/api/v1/alerts"),
                )
            for answer in answers:
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert answer.headers["content-type"] == "application/problem+json"
                assert int(answer.headers["retry-after"]) > 0

        at.database.freeze()
        await refused()  # before anybody knows
        await at.away()
        await refused()
        await at.back()
        async with asyncio.timeout(20):
            while (answer := await anybody.post("/api/v1/auth/token", data=account)).status_code != 200:
                assert answer.status_code == 503
