"""The live stream on a real server: snapshot, order, resume, scope, renewal, and every close code of the contract."""

import asyncio
import contextlib
import json
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from api.alert_models import AlertObject
from tests.fixtures.api_server import Live, RunningApi, SeededTown, serving

pytestmark = pytest.mark.integration


async def test_hello_holds_the_live_alerts_and_frames_follow_it_without_a_gap(api: RunningApi):
    await api.seeded.press(api.seeded.watches[0])
    live = await api.live("operator")
    hello = await live.next()
    assert (hello["type"], hello["seq"], hello["reset"]) == ("hello", 1, False)
    assert hello["server_time"].endswith("Z")
    assert hello["build"]
    [alert] = hello["alerts"]
    AlertObject.model_validate(alert)
    client = await api.client("operator")
    assert alert == (await client.get("/api/v1/alerts")).json()["items"][0]  # REST and stream show the same thing
    await client.post(f"/api/v1/alerts/{alert['id']}/acknowledge")
    frame = await live.next_alert()
    assert (frame["type"], frame["seq"], frame["prev"]) == ("alert.acknowledged", 2, 1)
    assert frame["data"]["version"] == 2
    assert frame["data"]["elder"] == alert["elder"]
    await api.seeded.press(api.seeded.watches[0])
    pressed = await live.next_alert()
    assert (pressed["type"], pressed["seq"], pressed["prev"]) == ("alert.pressed", 3, 2)
    assert frame.keys() == {"type", "seq", "prev", "at", "data"}


async def test_a_browser_sends_its_token_as_the_first_message(api: RunningApi):
    await api.seeded.press(*api.seeded.watches[:3])
    token = (await api.sign_in("operator"))["access_token"]
    live = Live(await api.socket())
    await live.say(token=token, after=1)
    hello = await live.next()
    assert (hello["seq"], hello["reset"], len(hello["alerts"])) == (3, False, 3)
    replayed = [await live.next(), await live.next()]
    assert [(frame["seq"], frame["prev"]) for frame in replayed] == [(2, 1), (3, 2)]
    await api.seeded.press(api.seeded.watches[3])
    frame = await live.next_alert()
    assert (frame["seq"], frame["prev"]) == (4, 3)


async def test_silence_is_closed_with_4408_and_nonsense_with_4401(seeded: SeededTown):
    async with serving(seeded, live_first_message_seconds=0.3) as api:
        assert await Live(await api.socket()).closed() == (4408, "no-first-message")
        for message in ("{", '{"hello": 1}', '{"token": "x"}', b"\x00", '{"token": null}'):
            socket = await api.socket()
            await socket.send(message)
            assert (await Live(socket).closed())[0] == 4401, message
        for header in ("Bearer x.y.z", "Bearer", "Basic eA=="):
            assert (await Live(await api.socket(headers={"Authorization": header})).closed())[0] == 4401, header


async def test_a_token_that_runs_out_on_a_live_socket_closes_it_and_a_renewed_one_does_not(api: RunningApi):
    stays, goes = await api.live("operator"), await api.live("operator2")
    await stays.next(), await goes.next()
    api.clock.shift = timedelta(minutes=14)
    await stays.say(token=(await api.sign_in("operator"))["access_token"])
    await stays.say(type="ping")
    assert (await stays.next())["type"] == "pong"
    api.clock.shift = timedelta(minutes=16)
    assert await goes.closed() == (4401, "token-expired")
    await stays.say(type="ping")
    assert (await stays.next())["type"] in ("pong", "heartbeat")
    late = await api.socket(headers={"Authorization": f"Bearer {(await api.sign_in('operator2'))['access_token']}"})
    assert (await Live(late).next())["type"] == "hello"


async def test_renewing_with_nonsense_or_another_persons_token_closes_with_4401(api: RunningApi):
    first, second = await api.live("operator"), await api.live("operator")
    await first.next(), await second.next()
    await first.say(token="x.y.z")
    assert (await first.closed())[0] == 4401
    await second.say(token=(await api.sign_in("admin"))["access_token"])
    assert (await second.closed())[0] == 4401


async def test_a_changed_scope_closes_with_4403_within_five_seconds_and_the_new_one_holds_after(api: RunningApi):
    operator, other = await api.live("operator"), await api.live("operator2")
    await operator.next(), await other.next()
    began = asyncio.get_running_loop().time()
    await api.seeded.run(
        "UPDATE role_assignment SET centre_id = (SELECT id FROM centre WHERE NOT takes_unidentified)"
        " WHERE account_id = (SELECT id FROM account WHERE username = 'operator')"
    )
    assert (await operator.closed())[0] == 4403
    assert asyncio.get_running_loop().time() - began < 5  # the contract's own limit, not a speed test
    await other.say(type="ping")
    assert (await other.next())["type"] == "pong"  # nobody else is disturbed
    await api.seeded.press(*api.seeded.watches)
    hello = await (await api.live("operator")).next()
    assert len(hello["alerts"]) == len(api.seeded.watches) - 14


async def test_a_role_that_merely_runs_out_closes_the_socket_too(api: RunningApi):
    operator = await api.live("operator")
    await operator.next()
    await api.seeded.run(
        "UPDATE role_assignment SET valid = tstzrange('-infinity', now())"
        " WHERE account_id = (SELECT id FROM account WHERE username = 'operator')"
    )
    assert (await operator.closed())[0] == 4403


async def test_signing_out_and_disabling_close_the_socket_with_4401(api: RunningApi):
    tokens = await api.sign_in("operator")
    signed_out = await api.live("operator", token=tokens["access_token"])
    disabled = await api.live("operator2")
    await signed_out.next(), await disabled.next()
    await (await api.client()).post("/api/v1/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    assert await signed_out.closed() == (4401, "session-ended")
    await api.seeded.run("UPDATE account SET disabled_at = now() WHERE username = 'operator2'")
    assert (await disabled.closed())[0] == 4401


async def test_frames_go_only_where_the_scope_reaches_and_prev_counts_what_was_sent(api: RunningApi):
    own, foreign, visitor = await api.live("operator"), await api.live("foreign_operator"), await api.live("visitor")
    await own.next(), await foreign.next(), await visitor.next()
    ours, theirs = api.seeded.watches[0], api.seeded.watches[-1]
    await api.seeded.press(ours)
    await api.seeded.press(theirs)
    await api.seeded.press(ours)
    assert [(f["seq"], f["prev"]) for f in (await own.next_alert(), await own.next_alert())] == [(1, 0), (3, 1)]
    frame = await foreign.next_alert()
    assert (frame["seq"], frame["prev"]) == (2, 0)
    await visitor.say(type="ping")
    assert (await visitor.next())["type"] == "pong"


async def test_a_responder_hears_of_an_alert_once_sent_to_it(api: RunningApi):
    [change] = await api.seeded.press(api.seeded.watches[0])
    responder = await api.live("responder")
    assert (await responder.next())["alerts"] == []
    operator = await api.client("operator")
    me = (await (await api.client("responder")).get("/api/v1/me")).json()["id"]
    path = f"/api/v1/alerts/{change.alert.id}"
    await operator.post(f"{path}/acknowledge")
    sent = await operator.post(f"{path}/dispatch", json={"responder_id": me})
    assert sent.status_code == 200, sent.text
    frame = await responder.next_alert()
    assert (frame["type"], frame["data"]["id"]) == ("alert.dispatched", str(change.alert.id))
    arrived = await (await api.client("responder")).post(f"{path}/arrive", json={"proof": "door tag"})
    assert arrived.status_code == 200, arrived.text


@pytest.mark.parametrize("after", ["99", "-3", "x"])
async def test_a_position_that_cannot_be_resumed_from_is_answered_with_a_reset(api: RunningApi, after: str):
    await api.seeded.press(api.seeded.watches[0])
    token = (await api.sign_in("operator"))["access_token"]
    live = Live(await api.socket(f"?after={after}", {"Authorization": f"Bearer {token}"}))
    hello = await live.next()
    assert (hello["reset"], hello["seq"], len(hello["alerts"])) == (True, 1, 1)
    await api.seeded.press(api.seeded.watches[1])
    frame = await live.next_alert()
    assert (frame["seq"], frame["prev"]) == (2, 1)


async def test_too_much_missed_is_a_reset_instead_of_a_flood(seeded: SeededTown):
    async with serving(seeded, live_replay_max_events=5) as api:
        for _ in range(6):
            await seeded.press(seeded.watches[0])
        assert (await (await api.live("operator", after=0)).next())["reset"] is True
        assert (await (await api.live("operator", after=1)).next())["reset"] is False


async def test_a_client_that_resumes_at_random_misses_nothing_and_sees_nothing_twice(api: RunningApi):
    live = await api.live("operator")
    held = (await live.next())["seq"]
    seen: list[int] = []
    for round_ in range(6):
        await api.seeded.press(*api.seeded.watches[: round_ + 1])
        if round_ % 2:
            await live.socket.close()
            await api.seeded.press(api.seeded.watches[0])
            live = await api.live("operator", after=held)
            assert (await live.next())["reset"] is False
        expected = (await api.seeded.fetch("SELECT seq FROM alert_counter"))[0][0]
        while held < expected:
            frame = await live.next_alert()
            assert frame["prev"] == held
            held = frame["seq"]
            seen.append(held)
    assert seen == list(range(1, held + 1))


async def test_a_client_that_does_not_read_is_closed_with_4429_and_told_where_it_stands(seeded: SeededTown):
    async with serving(seeded, live_queue_frames=8) as api:
        quick, slow = await api.live("operator"), await api.live("operator2", max_queue=1)
        await quick.next(), await slow.next()
        slow.socket.transport.pause_reading()
        # What the sockets of this machine hold before a write blocks is not ours to know: press until it is over.
        pressed = 0
        [stuck] = [c for c in api.app.state.services.hub.connections if c.scope.username == "operator2"]
        big = {"confidence": 0.9, "padding": "x" * 20_000}
        while not stuck.is_closing and pressed < 3000:
            await seeded.press(*[seeded.watches[0]] * 10, kind="fall", value=big)
            pressed += 10
            for _ in range(10):
                await quick.next_alert()
        assert stuck.is_closing
        slow.socket.transport.resume_reading()
        held = 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = json.loads(await slow.socket.recv())
                if frame["type"].startswith("alert."):
                    assert frame["prev"] == held
                    held = frame["seq"]
        assert slow.socket.close_code == 4429
        assert json.loads(slow.socket.close_reason or "") == {"after": held}
        again = await api.live("operator2", after=held)
        assert (await again.next())["reset"] is False
        assert (await again.next_alert())["prev"] == held


async def test_a_client_that_never_reads_again_is_cut_off_and_leaves_nothing_behind(seeded: SeededTown):
    async with serving(seeded, live_queue_frames=8) as api:
        dead = await api.live("operator", max_queue=1)
        await dead.next()
        dead.socket.transport.pause_reading()
        hub = api.app.state.services.hub
        big = {"padding": "x" * 20_000}
        for _ in range(300):
            await seeded.press(*[seeded.watches[0]] * 10, kind="fall", value=big)
            await asyncio.sleep(0)
            if not hub.connections:
                break
        async with asyncio.timeout(20):
            while hub.connections or api.server.server_state.connections:
                await asyncio.sleep(0.05)


async def test_malformed_frames_are_answered_and_the_socket_lives_on(api: RunningApi):
    live = await api.live("operator")
    await live.next()
    for message, code in (("{", "bad_json"), ('{"type":"dance"}', "unknown_type"), ('{"type":"shown"}', "bad_frame")):
        await live.socket.send(message)
        assert await live.next() == {"type": "error", "code": code}
    await live.socket.send(b"\x00\x01")
    assert (await live.next())["code"] == "bad_json"
    await live.say(type="ping")
    pong = await live.next()
    assert (pong["type"], pong["seq"]) == ("pong", 0)


async def test_heartbeats_tell_the_callers_own_position(seeded: SeededTown):
    async with serving(seeded, live_heartbeat_seconds=0.2) as api:
        live = await api.live("operator")
        hello = await live.next()
        beat = await live.next()
        assert (beat["type"], beat["seq"]) == ("heartbeat", hello["seq"])
        assert beat.keys() == {"type", "seq", "server_time"}
        await seeded.press(seeded.watches[-1])  # not this caller's to see
        await seeded.press(seeded.watches[0])
        frame = await live.next_alert()
        assert (frame["seq"], frame["prev"]) == (2, beat["seq"])
        assert (await live.next())["seq"] == 2


async def test_a_seat_is_written_refreshed_and_kept_as_last_seen(api: RunningApi):
    live = await api.live("operator")
    await live.next()
    await live.say(type="seat", audible=True, visible=False, idle_s=12)
    async with asyncio.timeout(10):
        while await api.seeded.fetch("SELECT audible, visible, idle_s FROM seat") != [(True, False, 12)]:
            await asyncio.sleep(0.05)
    await live.socket.close()
    client = await api.client("operator")
    [change] = await api.seeded.press(api.seeded.watches[0])
    await client.post(f"/api/v1/alerts/{change.alert.id}/acknowledge")
    held = (await client.get(f"/api/v1/alerts/{change.alert.id}")).json()
    assert held["owner"]["connected"] is True  # a reload is not an absence


async def test_fifty_clients_see_the_same_order_while_twenty_writers_write(api: RunningApi):
    token = (await api.sign_in("operator"))["access_token"]
    lives = await asyncio.gather(*(api.live("operator", token=token) for _ in range(50)))
    for live in lives:
        await live.next()
    watches = api.seeded.watches[:14]

    async def writer(number: int) -> None:
        for step in range(5):
            await api.seeded.press(watches[(number + step) % len(watches)])

    await asyncio.gather(*(writer(number) for number in range(20)))

    async def everything(live: Live) -> list[tuple[int, int]]:
        frames = [await live.next_alert(30) for _ in range(100)]
        return [(frame["prev"], frame["seq"]) for frame in frames]

    seen = await asyncio.gather(*(everything(live) for live in lives))
    assert seen[0] == [(number, number + 1) for number in range(100)]
    assert all(each == seen[0] for each in seen)


async def test_two_processes_side_by_side_tell_the_same_story(api: RunningApi):
    async with serving(api.seeded) as second:
        here, there = await api.live("operator"), await second.live("operator2")
        await here.next(), await there.next()
        [change] = await api.seeded.press(api.seeded.watches[0])
        taken = await (await second.client("operator2")).post(f"/api/v1/alerts/{change.alert.id}/acknowledge")
        assert taken.status_code == 200
        stories: list[list[Any]] = []
        for live in (here, there):
            frames = [await live.next_alert(), await live.next_alert()]
            stories.append([(f["type"], f["seq"], f["prev"], f["data"]) for f in frames])
        assert stories[0] == stories[1]
        moved = await second.live("operator", after=1)  # a console moves to the other process
        assert (await moved.next())["reset"] is False
        frame = await moved.next()
        assert (frame["seq"], frame["prev"]) == (2, 1)


async def test_stopping_closes_sockets_with_1012(seeded: SeededTown):
    async with serving(seeded) as api:
        live = await api.live("operator")
        await live.next()
        api.server.should_exit = True
        assert (await live.closed())[0] == 1012


async def test_the_stream_lives_through_cut_database_connections(api: RunningApi):
    live = await api.live("operator")
    await live.next()
    await api.seeded.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await api.seeded.press(api.seeded.watches[0])
    frame = await live.next_alert(20)
    assert (frame["seq"], frame["prev"]) == (1, 0)
