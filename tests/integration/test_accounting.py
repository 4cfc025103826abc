"""The sum of everything received, held against the rows themselves: on a real broker, worker and database."""

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from alerts import housekeeping
from alerts.platform import accounting
from alerts.platform.accounting import Difference, Walk
from anxin import audit
from core.store.pool import make_pool
from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


@pytest.fixture
async def house(database: str, stack_session: RunningStack) -> AsyncIterator[House]:
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


async def publish_some(house: House) -> None:
    """Two readings, one of them again, a refused one, a refused cry on either lane, a press without id."""
    async with house.worker(), Device(house.mqtt_url, house.hub) as hub:
        reading = {"id": "a", "type": "heart_rate", "value": 70}
        await hub.tell("telemetry", {"events": [reading, {**reading, "id": "b"}]})
        await hub.tell("telemetry", reading)
        await hub.tell("telemetry", {"id": "c", "type": "no_such_thing", "value": 1})
        await hub.tell("telemetry", {"id": "d", "type": "sos", "device": "nobody-s-child"})
        await hub.tell("alarm", {"id": "e", "type": "sos", "device": "nobody-s-child"})
        await hub.tell("alarm", {"type": "sos"})


async def check(house: House) -> list[Difference]:
    return await Walk(timedelta(days=1)).step(house.conn, datetime.now(UTC))


async def test_what_a_worker_counts_and_what_it_stores_close(house: House):
    await publish_some(house)
    assert await check(house) == []
    totals = {of.lane: of for of in await accounting.read_totals(house.conn)}
    assert totals["telemetry"].received == totals["telemetry"].settled > 4
    assert totals["alarm"].keys == totals["alarm"].accepted + totals["alarm"].rejected == 2
    assert sum(of.keys for of in totals.values()) == await house.one("SELECT count(*) FROM event_key")
    assert sum(of.rejected for of in totals.values()) == await house.one("SELECT count(*) FROM dead_letter") > 2


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("DELETE FROM event_key WHERE key = (SELECT key FROM event_key LIMIT 1)", "rows of event_key"),
        ("INSERT INTO event_key VALUES (1, '\\x00', 1, now())", "rows of event_key"),
        ("DELETE FROM dead_letter WHERE id = (SELECT id FROM dead_letter LIMIT 1)", "rows of dead_letter"),
        ("UPDATE ingest_count SET events = events - 1 WHERE outcome = 'duplicate'", "settled"),
        ("UPDATE ingest_count SET events = events + 1 WHERE outcome IN ('accepted', 'received') AND lane = 'alarm'",
         "keys entered"),
        ("DELETE FROM ingest_minute WHERE lane = 'telemetry'", "keys entered"),
    ],
)  # fmt: skip
async def test_a_row_or_a_count_that_is_gone_is_found(house: House, damage: str, what: str):
    await publish_some(house)
    await house.conn.execute(damage.encode())
    found = await check(house)
    assert what in {one.what for one in found}
    assert all(str(one.expected) in one.sentence() for one in found)


async def test_purged_keys_are_booked_and_their_minutes_summed_up(house: House, database: str):
    await publish_some(house)
    keys = await house.one("SELECT count(*) FROM event_key")
    async with make_pool(database, name="test") as pool:
        later = datetime.now(UTC) + timedelta(days=35, hours=1)
        await housekeeping.purge(pool, later)
        assert await house.one("SELECT count(*) FROM event_key") == 0
        assert await house.one("SELECT -sum(keys) FROM ingest_minute WHERE lane = 'purged'") == keys
        assert await check(house) == []
        await housekeeping.purge(pool, later + timedelta(days=1))
    assert await house.rows("SELECT DISTINCT minute::text FROM ingest_minute") == [("-infinity",)]
    assert await check(house) == []


async def test_the_walk_comes_to_every_minute_of_its_window_and_remembers_what_is_open(house: House):
    now = datetime.now(UTC)
    for age in range(1, 9):
        at = now - timedelta(minutes=10 * age)
        await house.conn.execute("INSERT INTO event_key VALUES (1, %s, 1, %s)", (secrets.token_bytes(16), at))
        await house.conn.execute(
            "INSERT INTO ingest_minute VALUES (1, 'telemetry', date_trunc('minute', %s::timestamptz), 1, 0)", (at,)
        )
    lost = now - timedelta(minutes=50)
    await house.conn.execute("DELETE FROM event_key WHERE received_at = %s", (lost,))
    walk = Walk(timedelta(days=1), budget=1)

    async def rows_lost() -> list[Difference]:
        return [one for one in await walk.step(house.conn, now) if one.since is not None]

    assert [len(await rows_lost()) for _ in range(10)] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    await house.conn.execute("INSERT INTO event_key VALUES (1, '\\x01', 1, %s)", (lost,))
    assert await rows_lost() == []


async def test_the_command_prints_the_sums_and_ends_with_1_until_a_difference_is_written_off(
    house: House, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANXIN_DATABASE_URL", database)
    await publish_some(house)

    async def run(*words: str) -> tuple[int, str]:
        options = audit._parser().parse_args(["accounting", *words])
        return await audit._accounting(options), capsys.readouterr().out

    code, shown = await run()
    assert code == 0 and "the sum closes" in shown and "telemetry" in shown
    await house.conn.execute("DELETE FROM event_key WHERE key = (SELECT key FROM event_key LIMIT 1)")
    code, shown = await run()
    assert code == 1 and "does not close: worker 1" in shown
    code, shown = await run("--json")
    body = json.loads(shown)
    assert code == 1 and body["closes"] is False and "rows of event_key" in body["differences"][0]["sentence"]
    assert (await run("--write-off", "deleted by a test"))[0] == 0
    assert (await run())[0] == 0 and await check(house) == []
    assert await house.rows("SELECT reason, subject_kind FROM access_log") == [("deleted by a test", "accounting")]
