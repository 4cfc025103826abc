"""Events become alerts in the real database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncCursor
from psycopg.errors import IdleInTransactionSessionTimeout
from psycopg.pq import PipelineStatus

from alerts.intake import Occurrence, raise_alerts
from alerts.ledger import lock_and_load
from alerts.model import AlertChange
from alerts.store import events_after, get, highest_seq, live, timeline
from alerts.vocabulary import Severity, Status, SubjectKind
from core.errors import Conflict
from core.store.pool import Connection, Pool, transaction
from tests.fixtures.alert_town import ALL, NOON, AlertTown, all_alerts, event, happen

pytestmark = pytest.mark.integration


@pytest.fixture
def town(alert_town: AlertTown) -> AlertTown:
    return alert_town


@pytest.fixture
def pool(alert_pool: Pool) -> Pool:
    return alert_pool


def kinds(changes: Sequence[AlertChange]) -> list[str]:
    return [change.event.type.value for change in changes]


async def test_a_press_opens_an_alert_with_its_number_its_version_and_its_event(pool: Pool, town: AlertTown):
    elder = town.elder()
    [change] = await happen(pool, event(town.device(elder=elder), "sos"))
    async with pool.connection() as conn:
        stored = await get(conn, change.alert.id, ALL)
        [told] = await events_after(conn, 0, 10)
        assert await highest_seq(conn) == 1
    assert stored == change.alert
    assert (stored.version, stored.seq, stored.alert_no, stored.elder_ids) == (1, 1, 1, (elder,))
    assert (told.seq, told.type, told.alert["alert_no"], told.alert["seq"]) == (1, "alert.opened", 1, 1)
    assert (told.elder_ids, told.centre_id) == ((elder,), town.centre)


async def test_a_press_on_a_live_alert_raises_presses_and_opens_nothing(pool: Pool, town: AlertTown):
    pendant = town.device(elder=town.elder())
    await happen(pool, event(pendant, "sos"))
    [change] = await happen(pool, event(pendant, "sos", after_s=5))
    [alert] = await all_alerts(pool)
    assert kinds([change]) == ["alert.pressed"]
    assert (alert.presses, alert.version, alert.seq) == (2, 2, 2)


async def test_a_thousand_concurrent_presses_of_one_button_are_one_alert_and_a_thousand_events(
    pool: Pool, town: AlertTown
):
    pendant = town.device(elder=town.elder())

    async def client(n: int) -> None:
        for press in range(50):
            await happen(pool, event(pendant, "sos", after_s=n * 50 + press))

    await asyncio.gather(*(client(n) for n in range(20)))
    [alert] = await all_alerts(pool)
    async with pool.connection() as conn:
        told = await events_after(conn, 0, 2000)
    assert alert.presses == alert.version == alert.seq == 1000
    assert [e.seq for e in told] == list(range(1, 1001))
    assert [e.alert["presses"] for e in told] == list(range(1, 1001))
    assert [e.type for e in told].count("alert.opened") == 1


async def test_transactions_that_touch_the_same_subjects_in_other_orders_do_not_deadlock(pool: Pool, town: AlertTown):
    pendants = [town.device(elder=town.elder()) for _ in range(6)]

    async def batch(n: int) -> None:
        order = pendants[n % 6 :] + pendants[: n % 6]
        await happen(pool, *(event(p, "sos", after_s=n) for p in (order if n % 2 else reversed(order))))

    await asyncio.gather(*(batch(n) for n in range(60)))
    assert [alert.presses for alert in await all_alerts(pool)] == [60] * 6


async def test_one_open_transaction_blocks_its_subject_but_no_other(pool: Pool, town: AlertTown):
    mine, theirs = (town.device(elder=town.elder()) for _ in range(2))
    [opened] = await happen(pool, event(mine, "sos"))
    async with transaction(pool) as held:
        await lock_and_load(held, [(opened.alert.subject_kind, opened.alert.subject_id)], [])
        await asyncio.wait_for(happen(pool, event(theirs, "sos")), 10)
        blocked = asyncio.create_task(happen(pool, event(mine, "sos", after_s=1)))
        await asyncio.sleep(0.2)
        assert not blocked.done()
    assert kinds(await asyncio.wait_for(blocked, 10)) == ["alert.pressed"]


async def test_a_writer_that_stops_before_its_commit_is_thrown_out_and_the_others_ring(pool: Pool, town: AlertTown):
    mine, theirs = (town.device(elder=town.elder()) for _ in range(2))

    async def stand_still() -> None:
        async with transaction(pool) as conn:
            await raise_alerts(conn, [event(mine, "sos")], now=NOON)
            stopped.set()
            await asyncio.wait_for(rung.wait(), 20)

    stopped, rung = asyncio.Event(), asyncio.Event()
    frozen = asyncio.create_task(stand_still())
    await stopped.wait()
    [change] = await asyncio.wait_for(happen(pool, event(theirs, "sos")), 20)
    rung.set()
    with pytest.raises(IdleInTransactionSessionTimeout):
        await frozen
    assert change.alert.seq == 1
    assert [alert.id for alert in await all_alerts(pool)] == [change.alert.id]


async def test_a_rolled_back_press_leaves_no_alert_no_event_and_no_number(pool: Pool, town: AlertTown):
    pendant = town.device(elder=town.elder())

    async def give_up() -> None:
        async with transaction(pool) as conn:
            await raise_alerts(conn, [event(pendant, "sos")], now=NOON)
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await give_up()
    assert await all_alerts(pool) == []
    [change] = await happen(pool, event(pendant, "sos"))
    assert change.alert.seq == 1


async def test_a_row_that_is_changed_without_its_lock_is_a_conflict_and_nothing_is_written(pool: Pool, town: AlertTown):
    pendant = town.device(elder=town.elder())
    await happen(pool, event(pendant, "sos"))
    async with pool.connection() as conn:
        await conn.execute("CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$")
        await conn.execute("CREATE TRIGGER skip BEFORE UPDATE ON alert FOR EACH ROW EXECUTE FUNCTION skip()")
    with pytest.raises(Conflict) as caught:
        await happen(pool, event(pendant, "sos", after_s=1))
    assert caught.value.code == "alert-changed"
    async with pool.connection() as conn:
        assert [told.seq for told in await events_after(conn, 0, 10)] == [1]


async def test_one_cry_costs_three_round_trips(alert_pool: Pool, town: AlertTown, monkeypatch: pytest.MonkeyPatch):
    """A pipeline is one trip; every other statement is one."""
    pendant = town.device(elder=town.elder())
    trips: list[str] = []
    async with transaction(alert_pool) as conn:
        pipeline, execute = conn.pipeline, AsyncCursor.execute

        @asynccontextmanager
        async def counted_pipeline() -> AsyncIterator[None]:
            async with pipeline():
                yield
            trips.append("pipeline")

        async def counted_execute(cursor: Any, *args: Any, **more: Any) -> Any:
            if conn.info.pipeline_status == PipelineStatus.OFF:
                trips.append("statement")
            return await execute(cursor, *args, **more)

        monkeypatch.setattr(conn, "pipeline", counted_pipeline)
        monkeypatch.setattr(AsyncCursor, "execute", counted_execute)
        await raise_alerts(conn, [event(pendant, "sos")], now=NOON)
    assert trips == ["statement", "pipeline", "statement"]


# ---- "I am fine" and falls


async def store_event(conn: Connection, occurrence: Occurrence, device_no: int) -> None:
    """What ingest does before it raises alerts, in the same transaction."""
    await conn.execute(
        "INSERT INTO event (device_no, at, received_at, type, key) VALUES (%s, %s, %s, %s, %s)",
        (device_no, occurrence.at, occurrence.received_at, occurrence.type, occurrence.key),
    )


async def arrive(pool: Pool, town: AlertTown, *occurrences: Occurrence) -> list[str]:
    numbers = {o.device_id: town.device_no(o.device_id) for o in occurrences}
    async with transaction(pool) as conn:
        for occurrence in occurrences:
            await store_event(conn, occurrence, numbers[occurrence.device_id])
        return kinds(await raise_alerts(conn, occurrences, now=max(o.received_at for o in occurrences)))


async def test_an_answer_that_was_stored_before_its_fall_lowers_the_fall(pool: Pool, town: AlertTown):
    elder = town.elder()
    watch, pendant = town.device(elder=elder), town.device(elder=elder)
    assert await arrive(pool, town, event(pendant, "elder_ok", after_s=10)) == []
    assert await arrive(pool, town, event(watch, "fall", late_s=40)) == ["alert.opened", "alert.downgraded"]
    [alert] = await all_alerts(pool)
    assert (alert.severity, alert.status) == (Severity.P2, Status.OPEN)


async def test_an_answer_that_was_stored_before_its_suspected_fall_cancels_it(pool: Pool, town: AlertTown):
    watch = town.device(elder=town.elder())
    await arrive(pool, town, event(watch, "elder_ok", after_s=30))
    assert await arrive(pool, town, event(watch, "fall_suspected", late_s=40)) == ["alert.pending", "alert.closed"]
    [alert] = await all_alerts(pool)
    assert alert.close_code == "cancelled_by_elder"


@pytest.mark.parametrize("ok_s", [-1, 31])
async def test_a_stored_answer_outside_the_thirty_seconds_answers_nothing(pool: Pool, town: AlertTown, ok_s: float):
    watch = town.device(elder=town.elder())
    await arrive(pool, town, event(watch, "elder_ok", after_s=ok_s))
    assert await arrive(pool, town, event(watch, "fall", late_s=60)) == ["alert.opened"]


async def test_the_stored_answer_of_another_elder_answers_nothing(pool: Pool, town: AlertTown):
    home = town.dwelling()
    hers, his = (town.device(elder=town.elder(home)) for _ in range(2))
    panel = town.device(dwelling=home)
    await arrive(pool, town, event(his, "elder_ok", after_s=5), event(panel, "elder_ok", after_s=6))
    assert await arrive(pool, town, event(hers, "fall", late_s=60)) == ["alert.opened"]


async def test_whoever_lives_alone_answers_with_the_panel_of_her_home_and_for_its_radar(pool: Pool, town: AlertTown):
    home = town.dwelling()
    watch, panel, radar = town.device(elder=town.elder(home)), town.device(dwelling=home), town.device(dwelling=home)
    await arrive(pool, town, event(panel, "elder_ok", after_s=5))
    assert await arrive(pool, town, event(watch, "fall", late_s=60)) == ["alert.opened", "alert.downgraded"]
    await arrive(pool, town, event(watch, "elder_ok", after_s=605))
    told = await arrive(pool, town, event(radar, "fall", after_s=600, late_s=60))
    assert told == ["alert.opened", "alert.downgraded"]


async def test_a_fall_and_its_answer_at_the_same_moment_always_end_lowered(pool: Pool, town: AlertTown):
    homes = [town.dwelling() for _ in range(20)]
    pairs = [(town.device(elder=town.elder(home)), town.device(dwelling=home)) for home in homes]
    await asyncio.gather(
        *(
            arrive(pool, town, occurrence)
            for watch, radar in pairs
            for occurrence in (event(radar, "fall"), event(watch, "elder_ok", after_s=5))
        )
    )
    alerts = await all_alerts(pool)
    assert [alert.severity for alert in alerts] == [Severity.P2] * 20


# ---- whose it is


async def test_a_hubs_unknown_child_is_an_alert_of_the_hub_that_no_family_sees(pool: Pool, town: AlertTown):
    hub = town.device(dwelling=(home := town.dwelling()))
    town.elder(home)
    cries = [event(hub, "sos", after_s=n, uncertain="unknown_child", claimed_device=f"c{n}") for n in range(2)]
    await happen(pool, *cries)
    [alert] = await all_alerts(pool)
    assert (alert.subject_kind, alert.subject_id, alert.presses) == (SubjectKind.DEVICE, hub, 2)
    assert (alert.elder_id, alert.elder_ids, alert.centre_id) == (None, (), town.centre)
    assert alert.severity is Severity.P0


async def test_a_device_that_nobody_registered_rings_at_the_default_centre(pool: Pool, town: AlertTown):
    await happen(pool, event("nobody-knows", "sos", uncertain="unknown_device"))
    await happen(pool, event("nobody-knows", "sos", after_s=1, uncertain="unknown_device"))
    [alert] = await all_alerts(pool)
    assert (alert.subject_id, alert.centre_id, alert.presses) == ("nobody-knows", town.centre, 2)


async def test_smoke_in_a_home_of_two_is_about_the_home_and_both_families_see_it(pool: Pool, town: AlertTown):
    home = town.dwelling()
    both = {town.elder(home), town.elder(home)}
    await happen(pool, event(town.device(dwelling=home), "smoke", True))
    [alert] = await all_alerts(pool)
    assert (alert.subject_kind, alert.elder_id, set(alert.elder_ids)) == (SubjectKind.DWELLING, None, both)


async def test_an_alarm_with_an_unknown_lane_still_belongs_to_its_elder(pool: Pool, town: AlertTown):
    pendant = town.device(elder=(elder := town.elder()))
    await happen(pool, event(pendant, "sos"), event(pendant, "sos", after_s=1, uncertain="wrong_lane"))
    [alert] = await all_alerts(pool)
    assert (alert.elder_id, alert.presses, alert.uncertain) == (elder, 2, "wrong_lane")


async def test_each_device_of_an_elder_has_its_own_battery_alert(pool: Pool, town: AlertTown):
    elder = town.elder()
    watch, pendant = town.device(elder=elder), town.device(elder=elder)
    await happen(pool, event(watch, "battery", 9), event(pendant, "battery", 19))
    assert kinds(await happen(pool, event(pendant, "battery", 99, after_s=60))) == ["alert.closed"]
    low = [alert for alert in await all_alerts(pool) if alert.live]
    assert [(alert.subject_id, alert.elder_id, alert.severity) for alert in low] == [(watch, elder, Severity.P2)]


async def test_good_batteries_of_a_whole_town_write_nothing(pool: Pool, town: AlertTown):
    devices = [town.device(elder=town.elder()) for _ in range(5)]
    assert await happen(pool, *(event(device, "battery", 80) for device in devices)) == []
    async with pool.connection() as conn:
        assert await highest_seq(conn) == 0


async def test_a_leak_that_is_over_and_back_in_one_batch_ends_as_a_new_live_alert(pool: Pool, town: AlertTown):
    probe = town.device(dwelling=town.dwelling())
    await happen(pool, event(probe, "water_leak", True))
    changes = await happen(
        pool, event(probe, "water_leak", False, after_s=5), event(probe, "water_leak", True, after_s=9)
    )
    assert kinds(changes) == ["alert.closed", "alert.opened"]
    assert [alert.live for alert in await all_alerts(pool)] == [True, False]


async def test_the_snapshot_says_which_number_its_live_alerts_stand_at(pool: Pool, town: AlertTown):
    async with pool.connection() as conn:
        assert await live(conn, ALL) == ([], 0)
    changes = await happen(pool, *(event(town.device(elder=town.elder()), "sos", after_s=n) for n in range(3)))
    async with pool.connection() as conn:
        alerts, seq = await live(conn, ALL)
        told = await timeline(conn, changes[0].alert.id)
    assert (seq, [alert.seq for alert in alerts]) == (3, [3, 2, 1])
    assert [(entry.type, entry.actor_kind) for entry in told] == [("alert.opened", "device")]
    assert alerts[0].opened_at == NOON + timedelta(seconds=2)


async def test_events_of_an_alert_are_never_changed_or_deleted(pool: Pool, town: AlertTown):
    await happen(pool, event(town.device(elder=town.elder()), "sos"))
    for statement in ("UPDATE alert_event SET type = 'x'", "DELETE FROM alert_event", "TRUNCATE alert_event"):
        async with pool.connection() as conn:
            with pytest.raises(Exception, match="append-only"):
                await conn.execute(statement.encode())
