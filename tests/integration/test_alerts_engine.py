"""The engine against the real database: deadlines, two engines at once, seals, housekeeping, pages."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from alerts import housekeeping
from alerts.deadlines import open_unanswered
from alerts.engine import AlertEngine
from alerts.metrics import EngineMetrics
from alerts.modules import Module, ModuleRunner
from alerts.settings import EngineSettings
from alerts.store import events_after
from alerts.vocabulary import Status
from core.runtime.clock import Clock, HandClock
from core.runtime.service import Service
from core.store.pool import Pool
from registry import access_log
from tests.fixtures.alert_town import NOON, AlertTown, all_alerts, event, happen

pytestmark = pytest.mark.integration


@pytest.fixture
def town(alert_town: AlertTown) -> AlertTown:
    return alert_town


@pytest.fixture
def pool(alert_pool: Pool) -> Pool:
    return alert_pool


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


async def test_a_suspected_fall_that_nobody_answers_opens_when_its_time_is_over_and_not_before(
    pool: Pool, town: AlertTown
):
    await happen(pool, event(town.device(elder=town.elder()), "fall_suspected"))
    assert await open_unanswered(pool, after(29.9)) == 0
    assert await open_unanswered(pool, after(30)) == 1
    assert await open_unanswered(pool, after(31)) == 0
    [alert] = await all_alerts(pool)
    assert (alert.status, alert.version, alert.clocks[0].due_at) == (Status.OPEN, 2, after(60))


async def test_two_engines_open_each_fall_once(pool: Pool, town: AlertTown):
    falls = [event(town.device(elder=town.elder()), "fall_suspected") for _ in range(30)]
    await happen(pool, *falls)
    opened = await asyncio.gather(*(open_unanswered(pool, after(30)) for _ in range(6)))
    assert sum(opened) == 30
    async with pool.connection() as conn:
        told = [e.type for e in await events_after(conn, 0, 100)]
    assert told.count("alert.opened") == told.count("alert.pending") == 30


async def test_an_answer_in_the_last_moment_and_the_deadline_never_both_win(pool: Pool, town: AlertTown):
    watches = [town.device(elder=town.elder()) for _ in range(15)]
    await happen(pool, *(event(watch, "fall_suspected") for watch in watches))
    answers = [happen(pool, event(watch, "elder_ok", after_s=30)) for watch in watches]
    await asyncio.gather(open_unanswered(pool, after(30)), *answers)
    for alert in await all_alerts(pool):
        # Cancelled before it opened, or opened first and lowered then: always answered, never both closed and open.
        assert (alert.status, alert.severity) in ((Status.CLOSED, "p0"), (Status.OPEN, "p2"))


async def test_old_event_keys_and_answers_to_repeated_requests_are_deleted_and_young_ones_kept(
    pool: Pool, town: AlertTown
):
    account = town.account("operator")
    async with pool.connection() as conn:
        for n, age in enumerate((timedelta(days=35, seconds=1), timedelta(days=35), timedelta(days=34))):
            await conn.execute("INSERT INTO event_key VALUES (1, %s, 1, %s)", (bytes([n]), NOON - age))
        for n, age in enumerate((timedelta(hours=24, seconds=1), timedelta(hours=24))):
            await conn.execute(
                "INSERT INTO idempotency VALUES (%s, 'POST', '/', %s, '', 200, NULL, %s)", (account, str(n), NOON - age)
            )
    assert await housekeeping.purge(pool, NOON) is False
    async with pool.connection() as conn:
        row = await (
            await conn.execute("SELECT (SELECT count(*) FROM event_key), (SELECT count(*) FROM idempotency)")
        ).fetchone()
    assert row == (2, 1)


async def test_a_module_that_fails_or_hangs_is_tried_again_and_holds_up_no_other():
    clock, metrics = HandClock(NOON), EngineMetrics(CollectorRegistry())
    runner, stop = ModuleRunner(clock, metrics, timeout_s=0.05), asyncio.Event()
    rounds: list[str] = []

    async def broken(_: datetime) -> bool:
        rounds.append("broken")
        raise LookupError("no such thing")

    async def hanging(_: datetime) -> bool:
        rounds.append("hanging")
        await asyncio.sleep(3600)
        return False

    async def healthy(_: datetime) -> bool:
        rounds.append("healthy")
        return False

    modules = [Module(work.__name__, 0.01, work) for work in (broken, hanging, healthy)]
    tasks = [asyncio.create_task(runner.run(module, stop)) for module in modules]
    async with asyncio.timeout(30):
        while not all(rounds.count(name) > 2 for name in ("broken", "hanging", "healthy")):
            assert not any(task.done() for task in tasks)
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert [module.last_success for module in modules] == [None, None, NOON]
    assert metrics.failures.labels("broken")._value.get() > 2


@asynccontextmanager
async def running(url: str, folder: Path, **more: Any) -> AsyncIterator[AlertEngine]:
    settings = EngineSettings.load(
        database_url=url,
        master_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        token_secret=secrets.token_urlsafe(32),
        access_seal_head_file=folder / "head",
        engine_period_ms=50,
        **more,
    )
    engine, service = AlertEngine(settings, Clock(), EngineMetrics(CollectorRegistry())), Service("alerts")
    task = asyncio.create_task(engine.run(service))
    try:
        yield engine
    finally:
        service.stop.set()
        await asyncio.wait_for(task, 20)


async def test_a_running_engine_opens_falls_seals_the_log_beats_and_answers_its_pages(
    pool: Pool, town: AlertTown, tmp_path: Path, unused_tcp_port: int
):
    now = Clock().now()
    late = event(town.device(elder=town.elder()), "fall_suspected", after_s=(now - NOON).total_seconds() - 28)
    async with running(town.url, tmp_path, engine_status_port=unused_tcp_port) as engine:
        await happen(pool, late)
        async with pool.connection() as conn:
            await access_log.record(conn, None, "read", "elder", "e", ["phone"], "test", None, now)
        async with asyncio.timeout(30), httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_tcp_port}") as client:
            while (await all_alerts(pool))[0].status is not Status.OPEN:
                await asyncio.sleep(0.05)
            while not (tmp_path / "head").exists():
                await asyncio.sleep(0.05)
            while await _pulse(pool) is None:
                await asyncio.sleep(0.05)
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).json()["ready"] is True
        assert all(module.last_success for module in engine.modules)


async def _pulse(pool: Pool) -> datetime | None:
    async with pool.connection() as conn:
        row = await (await conn.execute("SELECT at FROM component_pulse WHERE component = 'engine-1'")).fetchone()
    return row[0] if row else None
