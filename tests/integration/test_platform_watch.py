"""Platform alerts in the real database: raised once, upgraded, cleared, quiet after a person, rung again."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts import housekeeping
from alerts.model import Alert
from alerts.platform.checks import Limits
from alerts.platform.rounds import Patience, watch_round
from alerts.store import events_after
from alerts.vocabulary import Severity, Status
from core.store.pool import Pool
from tests.fixtures.alert_town import NOON, AlertTown, all_alerts

pytestmark = pytest.mark.integration
LIMITS, PATIENCE = Limits(), Patience()


class Platform:
    """Time goes on by hand; `parts` beat before every round unless they are silent."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.now = pool, NOON
        self.parts: dict[str, dict[str, Any]] = {"engine-1": {}, "ingest-1": {}}

    async def rounds(self, seconds: float, *, step_s: float = 10) -> list[Alert]:
        """Pass time in steps, a round after each; the alerts then, newest first."""
        until = self.now + timedelta(seconds=seconds)
        while self.now < until:
            self.now += timedelta(seconds=step_s)
            for component, detail in self.parts.items():
                await housekeeping.beat(self.pool, component, detail, self.now)
            await watch_round(self.pool, LIMITS, PATIENCE, self.now)
        return await all_alerts(self.pool)


@pytest.fixture
async def platform(alert_town: AlertTown, alert_pool: Pool) -> Platform:
    made = Platform(alert_pool)
    await made.rounds(120)
    return made


async def types(pool: Pool) -> list[str]:
    async with pool.connection() as conn:
        return [event.type.removeprefix("alert.") for event in await events_after(conn, 0, 1000)]


async def test_a_silent_part_rings_once_in_the_centre_that_takes_what_is_nobodys(
    platform: Platform, alert_town: AlertTown
):
    del platform.parts["ingest-1"]
    [alert] = await platform.rounds(300)
    assert (alert.rule, alert.severity, alert.status) == ("platform_part_silent", Severity.P1, Status.OPEN)
    assert (alert.subject_id, alert.centre_id, alert.elder_ids) == ("platform-ingest-1", alert_town.centre, ())
    assert "ingest-1" in alert.reason("zh-CN") and "ingest-1" in alert.reason("en") and "{" not in alert.reason("en")
    assert await types(platform.pool) == ["opened"]


async def test_an_urgent_alert_stays_for_a_person_when_all_is_well_again_and_rings_again_when_it_is_not(
    platform: Platform,
):
    gone = platform.parts.pop("ingest-1")
    await platform.rounds(60)
    platform.parts["ingest-1"] = gone
    [alert] = await platform.rounds(60)
    assert alert.status is Status.OPEN and "恢复正常" in alert.reason("zh-CN")
    del platform.parts["ingest-1"]
    await platform.rounds(60)
    assert await types(platform.pool) == ["opened", "condition_cleared", "pressed"]


async def test_a_disk_upgrades_as_it_fills_and_a_lesser_alert_closes_by_itself(platform: Platform):
    platform.parts["engine-1"] = {"disk_free_pct": 12.0}
    [alert] = await platform.rounds(20)
    assert (alert.severity, alert.subject_id) == (Severity.P2, "platform-engine-1")
    platform.parts["engine-1"] = {"disk_free_pct": 30.0}
    [alert] = await platform.rounds(60)
    assert (alert.status, alert.close_code) == (Status.CLOSED, "auto_cleared")
    platform.parts["engine-1"] = {"disk_free_pct": 12.0}
    await platform.rounds(20)
    platform.parts["engine-1"] = {"disk_free_pct": 3.0}
    [newest, _] = await platform.rounds(20)
    assert (newest.severity, newest.status) == (Severity.P1, Status.OPEN)
    assert await types(platform.pool) == ["opened", "closed", "opened", "upgraded"]


async def test_an_engine_that_starts_after_an_outage_gives_everybody_time_to_come_back(platform: Platform):
    platform.now += timedelta(hours=2)
    back = platform.parts.pop("ingest-1")
    assert await platform.rounds(50) == []
    platform.parts["ingest-1"] = back
    assert await platform.rounds(300) == []


async def test_a_part_that_stopped_as_asked_or_was_taken_away_is_not_missed(platform: Platform):
    platform.parts["ingest-1"] = {"stopped": True}
    await platform.rounds(10)
    del platform.parts["ingest-1"]
    assert await platform.rounds(200) == []
    async with platform.pool.connection() as conn:
        await conn.execute("UPDATE component_pulse SET detail = '{}' WHERE component = 'ingest-1'")
        assert len(await platform.rounds(20)) == 1
        await conn.execute("DELETE FROM component_pulse WHERE component = 'ingest-1'")
    await platform.rounds(60)
    assert await types(platform.pool) == ["opened", "condition_cleared"]


async def test_what_a_person_closed_rings_again_after_hours_and_at_once_when_it_is_worse(platform: Platform):
    async def close(now: datetime) -> None:
        async with platform.pool.connection() as conn:
            await conn.execute(
                "UPDATE alert SET status = 'closed', close_code = 'known', closed_at = %s WHERE status <> 'closed'",
                (now,),
            )

    platform.parts["engine-1"] = {"disk_free_pct": 12.0}
    await platform.rounds(20)
    await close(platform.now)
    assert len(await platform.rounds(120)) == 1
    platform.parts["engine-1"] = {"disk_free_pct": 3.0}
    assert len(await platform.rounds(20)) == 2
    await close(platform.now)
    platform.now += timedelta(hours=4, seconds=-60)
    assert len(await platform.rounds(60)) == 2
    assert len(await platform.rounds(10)) == 3


async def test_two_engines_side_by_side_raise_each_trouble_once(platform: Platform):
    platform.parts |= {f"engine-{n}": {"disk_free_pct": 3.0} for n in range(1, 6)}
    for component, detail in platform.parts.items():
        await housekeeping.beat(platform.pool, component, detail, platform.now)
    rounds = [watch_round(platform.pool, LIMITS, PATIENCE, platform.now) for _ in range(8)]
    await asyncio.gather(*rounds)
    await platform.rounds(20)
    assert len(await all_alerts(platform.pool)) == 5
    assert await types(platform.pool) == ["opened"] * 5


async def test_a_worker_that_was_never_started_rings_until_it_is_there_or_nobody_counts_on_it(platform: Platform):
    told = {"workers": 2, "started_at": platform.now.isoformat()}
    platform.parts["ingest-1"] = told
    [alert] = await platform.rounds(120)
    assert (alert.subject_id, alert.severity, alert.status) == ("platform-ingest-2", Severity.P1, Status.OPEN)
    assert await types(platform.pool) == ["opened"]
    platform.parts["ingest-1"] = {**told, "workers": 1}
    await platform.rounds(60)
    assert await types(platform.pool) == ["opened", "condition_cleared"]
