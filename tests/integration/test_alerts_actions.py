"""People act on stored alerts: scope, holders, responders, and two of them at once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from alerts.actions import Actor, act
from alerts.model import Alert
from alerts.scope import alert_scope, sees
from alerts.store import events_after, get, list_, timeline
from alerts.vocabulary import Severity, Status
from core.domain.ids import new_id
from core.errors import AlertHeld, Conflict, Forbidden, Invalid, NotFound
from core.store.pool import Pool, transaction
from registry.access import Scope, load_scope
from tests.fixtures.alert_town import LONG_AGO, NOON, AlertTown, event, happen

pytestmark = pytest.mark.integration


@pytest.fixture
def town(alert_town: AlertTown) -> AlertTown:
    return alert_town


@pytest.fixture
def pool(alert_pool: Pool) -> Pool:
    return alert_pool


async def scope_of(pool: Pool, account: UUID) -> Scope:
    async with pool.connection() as conn:
        return await load_scope(conn, account, NOON)


async def do(pool: Pool, alert: Alert, action: str, account: UUID, *, at_s: float = 10, **body: Any) -> Alert:
    actor = Actor.from_scope(await scope_of(pool, account))
    async with transaction(pool) as conn:
        return await act(conn, alert.id, action, body, actor, now=NOON + timedelta(seconds=at_s))


async def ring(pool: Pool, town: AlertTown, device: str | None = None, **more: Any) -> Alert:
    [change] = await happen(pool, event(device or town.device(elder=town.elder()), "sos", **more))
    return change.alert


async def test_an_acknowledged_alert_is_stored_with_its_holder_its_clock_and_its_event(pool: Pool, town: AlertTown):
    alert, seat = await ring(pool, town), town.account("operator")
    after = await do(pool, alert, "acknowledge", seat)
    async with pool.connection() as conn:
        stored = await get(conn, alert.id, alert_scope(await scope_of(pool, seat)))
        told = await timeline(conn, alert.id)
    assert stored == after
    assert (stored.status, stored.version, stored.seq) == (Status.ACKNOWLEDGED, 2, 2)
    assert stored.owner is not None and stored.owner.id == seat
    assert next(clock.done_at for clock in stored.clocks) == NOON + timedelta(seconds=10)
    assert [(entry.type, entry.actor_id) for entry in told][1] == ("alert.acknowledged", str(seat))


async def test_the_same_holder_again_writes_no_event(pool: Pool, town: AlertTown):
    alert, seat = await ring(pool, town), town.account("operator")
    await do(pool, alert, "acknowledge", seat)
    assert (await do(pool, alert, "acknowledge", seat)).version == 2
    async with pool.connection() as conn:
        assert len(await events_after(conn, 0, 10)) == 2


async def test_of_two_operators_at_once_one_holds_it_and_the_other_is_told_who(pool: Pool, town: AlertTown):
    alert = await ring(pool, town)
    seats = [town.account("operator") for _ in range(8)]
    answers = await asyncio.gather(*(do(pool, alert, "acknowledge", s) for s in seats), return_exceptions=True)
    [winner] = [answer for answer in answers if isinstance(answer, Alert)]
    assert winner.owner is not None
    losers = [answer for answer in answers if isinstance(answer, AlertHeld)]
    assert len(losers) == 7
    assert {(loser.held_by, loser.since) for loser in losers} == {(winner.owner.name, winner.owner.since)}


async def test_an_alert_outside_the_scope_is_not_found_for_any_action(pool: Pool, town: AlertTown):
    alert, stranger = await ring(pool, town), town.account("operator", centre=town.other_centre)
    for action in ("acknowledge", "note", "close"):
        with pytest.raises(NotFound):
            await do(pool, alert, action, stranger, text="x", code="x", note="x")


async def test_a_live_console_keeps_its_holder_and_a_silent_one_loses_it_after_45_seconds(pool: Pool, town: AlertTown):
    alert, holder, other = await ring(pool, town), town.account("operator"), town.account("operator")
    await do(pool, alert, "acknowledge", holder)
    with psycopg.connect(town.url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO seat (session_id, account_id, connected_at, last_seen_at) VALUES (%s, %s, %s, %s)",
            (new_id(LONG_AGO), holder, NOON, NOON + timedelta(seconds=100)),
        )
    with pytest.raises(AlertHeld):
        await do(pool, alert, "takeover", other, at_s=144)
    assert (await do(pool, alert, "takeover", other, at_s=145)).owner is not None


async def test_a_responder_sees_and_may_do_only_what_was_dispatched_to_them(pool: Pool, town: AlertTown):
    mine, theirs = await ring(pool, town), await ring(pool, town)
    seat, responder = town.account("operator"), town.account("responder")
    await do(pool, mine, "acknowledge", seat)
    with pytest.raises(NotFound):
        await do(pool, mine, "arrive", responder, proof="gps")
    await do(pool, mine, "dispatch", seat, responder_id=str(responder))
    scope = await scope_of(pool, responder)
    async with pool.connection() as conn:
        seen, _ = await list_(conn, alert_scope(scope))
        frames = await events_after(conn, 0, 10)
    assert [alert.id for alert in seen] == [mine.id]
    shown = [
        f.seq for f in frames
        if sees(scope, f.alert, centre_id=f.centre_id, region_code=f.region_code, elder_ids=f.elder_ids)
    ]  # fmt: skip
    assert shown == [4]
    assert (await do(pool, mine, "arrive", responder, proof="gps")).status is Status.ON_SCENE
    with pytest.raises(NotFound):
        await do(pool, theirs, "note", responder, text="?")


async def test_only_responders_are_dispatched(pool: Pool, town: AlertTown):
    alert, seat = await ring(pool, town), town.account("operator")
    await do(pool, alert, "acknowledge", seat)
    for nobody in (seat, new_id(NOON)):
        with pytest.raises(Invalid) as invalid:
            await do(pool, alert, "dispatch", seat, responder_id=str(nobody))
        assert invalid.value.errors[0].rule == "unknown_responder"


async def test_a_case_from_press_to_close_and_reopened_keeps_its_whole_story(pool: Pool, town: AlertTown):
    alert, seat, second = await ring(pool, town), town.account("operator"), town.account("operator")
    steps: list[tuple[str, UUID, dict[str, Any]]] = [
        ("acknowledge", seat, {}),
        ("call", seat, {"party": "elder", "result": "no_answer"}),
        ("verify", seat, {"result": "no_answer"}),
        ("dispatch", seat, {"service": "120"}),
        ("arrive", seat, {"proof": "phone"}),
        ("resolve", seat, {"outcome": "rescued"}),
        ("close", second, {"code": "rescued", "note": "已送医"}),
        ("reopen", second, {"reason": "回访发现问题"}),
    ]
    for n, (action, account, body) in enumerate(steps):
        alert = await do(pool, alert, action, account, at_s=10 * (n + 1), **body)
    async with pool.connection() as conn:
        told = [entry.type.removeprefix("alert.") for entry in await timeline(conn, alert.id)]
    assert told == [
        "opened", "acknowledged", "called", "verified", "dispatched", "arrived", "resolved", "closed", "reopened",
    ]  # fmt: skip
    assert (alert.status, alert.version, alert.owner) == (Status.OPEN, 9, None)


async def test_reopening_is_refused_while_a_newer_alert_of_the_same_kind_is_live(pool: Pool, town: AlertTown):
    pendant = town.device(elder=town.elder())
    first, seat = await ring(pool, town, pendant), town.account("operator")
    await do(pool, first, "acknowledge", seat)
    await do(pool, first, "resolve", seat, outcome="ok")
    await do(pool, first, "close", seat, code="ok", note="n")
    second = await ring(pool, town, pendant, after_s=60)
    with pytest.raises(Conflict) as refused:
        await do(pool, first, "reopen", seat, reason="?")
    assert refused.value.code == "newer-alert-live"
    assert second.parent_alert_id is None


async def test_a_press_on_a_resolved_alert_opens_a_new_one_with_its_parent(pool: Pool, town: AlertTown):
    pendant, seat = town.device(elder=town.elder()), town.account("operator")
    first = await ring(pool, town, pendant)
    await do(pool, first, "acknowledge", seat)
    await do(pool, first, "resolve", seat, outcome="ok")
    assert (await ring(pool, town, pendant, after_s=60)).parent_alert_id == first.id


async def test_a_press_and_an_acknowledgement_at_once_are_both_kept(pool: Pool, town: AlertTown):
    pendant, seat = town.device(elder=town.elder()), town.account("operator")
    alert = await ring(pool, town, pendant)
    presses = (happen(pool, event(pendant, "sos", after_s=n)) for n in range(1, 20))
    await asyncio.gather(do(pool, alert, "acknowledge", seat), *presses)
    async with pool.connection() as conn:
        stored = await get(conn, alert.id, alert_scope(await scope_of(pool, seat)))
    assert (stored.presses, stored.version, stored.status) == (20, 21, Status.ACKNOWLEDGED)


async def test_a_list_pages_newest_first_filters_and_shows_each_alert_once(pool: Pool, town: AlertTown):
    elder, seat = town.elder(), town.account("operator")
    await happen(pool, *(event(town.device(elder=town.elder()), "sos") for _ in range(5)))  # one instant: ids decide
    await happen(pool, event(town.device(elder=elder), "fall", after_s=60))
    scope = alert_scope(await scope_of(pool, seat))
    pages, cursor = [], None
    async with pool.connection() as conn:
        while True:
            page, cursor = await list_(conn, scope, cursor=cursor, limit=2)
            pages.append([alert.id for alert in page])
            if cursor is None:
                break
        falls, _ = await list_(conn, scope, elder_id=elder)
        none, _ = await list_(conn, scope, status=[Status.CLOSED], severity=[Severity.P0])
    ids = [id for page in pages for id in page]
    assert [len(page) for page in pages] == [2, 2, 2]
    assert len(set(ids)) == 6
    assert [alert.rule for alert in falls] == ["fall"]
    assert ids[0] == falls[0].id
    assert none == []


async def test_a_family_member_and_a_visitor_may_not_take_an_alert(pool: Pool, town: AlertTown):
    alert, visitor = await ring(pool, town), town.account("visitor")
    with pytest.raises(Forbidden):
        await do(pool, alert, "acknowledge", visitor)
