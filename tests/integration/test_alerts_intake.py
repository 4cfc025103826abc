"""Events become alerts in the real database."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.intake import Occurrence, raise_alerts
from alerts.model import Alert, AlertChange
from alerts.store import events_after, get, highest_seq, list_
from core.store.pool import Pool, make_pool, transaction
from tests.fixtures.alert_town import AlertTown

pytestmark = pytest.mark.integration

NOON = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
ALL: dict[str, Any] = {"scope_everything": True, "scope_centres": [], "scope_regions": [], "scope_elders": []}


@pytest.fixture
def town(database: str) -> AlertTown:
    return AlertTown(database).build()


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with make_pool(database, name="test", max_size=24) as pool:
        yield pool


def event(
    device: str, kind: str, value: Any = None, *, after_s: float = 0, late_s: float = 0, **more: Any
) -> Occurrence:
    """An event of `kind` at noon + after_s, received late_s later."""
    at = NOON + timedelta(seconds=after_s)
    given = {"zone": None, "key": secrets.token_bytes(16), "device_no": None, **more}
    return Occurrence(
        device_id=device, type=kind, value=value, at=at, received_at=at + timedelta(seconds=late_s), **given
    )


async def happen(pool: Pool, *occurrences: Occurrence) -> list[AlertChange]:
    async with transaction(pool) as conn:
        return await raise_alerts(conn, occurrences, now=max(o.received_at for o in occurrences))


def kinds(changes: Sequence[AlertChange]) -> list[str]:
    return [change.event.type.value for change in changes]


async def all_alerts(pool: Pool) -> list[Alert]:
    async with pool.connection() as conn:
        return (await list_(conn, ALL, limit=500))[0]


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
    async with transaction(pool) as held:
        await held.execute("SELECT 1")
        from alerts.ledger import lock_and_load
        from alerts.vocabulary import SubjectKind

        [alert] = [c.alert for c in await happen(pool, event(mine, "sos"))]
        await lock_and_load(held, [(SubjectKind(alert.subject_kind), alert.subject_id)], [])
        await asyncio.wait_for(happen(pool, event(theirs, "sos")), 5)
        blocked = asyncio.create_task(happen(pool, event(mine, "sos", after_s=1)))
        await asyncio.sleep(0.2)
        assert not blocked.done()
    assert kinds(await asyncio.wait_for(blocked, 5)) == ["alert.pressed"]
