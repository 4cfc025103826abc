"""The timeline on the real database: one order over events and alerts, page by page, and whose events they are."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from api.history import store, timeline
from api.history.store import AlertRow, EventRow
from core.store.pool import Connection
from tests.fixtures.api_town import ApiTown
from tests.fixtures.device_places import REGION, DevicePlaces

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@dataclass
class Past:
    """Writes what happened, straight into the tables."""

    conn: Connection
    places: DevicePlaces
    centre: UUID

    async def device(self) -> tuple[str, int]:
        id = f"dv-{uuid4().hex[:12]}"
        cursor = await self.conn.execute(
            "WITH m AS (INSERT INTO device_model (id, name, vendor, device_type) VALUES (%s, 'm', 'v', 't')"
            "           ON CONFLICT (name) DO UPDATE SET vendor = 'v' RETURNING id)"
            " INSERT INTO device (id, model_id, created_at) SELECT %s, m.id, now() FROM m RETURNING device_no",
            (uuid4(), id),
        )
        row = await cursor.fetchone()
        assert row is not None
        return id, row[0]

    async def bind(self, device: str, elder: UUID, since: datetime, until: datetime | None = None) -> None:
        await self.conn.execute(
            "INSERT INTO device_binding (id, device_id, elder_id, valid, created_at)"
            " VALUES (%s, %s, %s, tstzrange(%s, %s), now())",
            (uuid4(), device, elder, since, until),
        )

    async def event(self, device_no: int, at: datetime, type: str = "motion") -> None:
        await self.conn.execute(
            "INSERT INTO event (device_no, at, received_at, type, value, key) VALUES (%s, %s, %s, %s, 'true', %s)",
            (device_no, at, at, type, uuid4().bytes),
        )

    async def alert(self, elders: list[UUID], at: datetime, *, elder: UUID | None = None) -> UUID:
        id = uuid4()
        await self.conn.execute(
            "INSERT INTO alert (id, version, seq, subject_kind, subject_id, elder_id, elder_ids, centre_id,"
            " region_code, rule, rule_version, severity, status, title, reason, opened_at, event_at, last_pressed_at)"
            " VALUES (%s, 1, 1, 'elder', %s, %s, %s, %s, %s, 'sos', 1, 'p0', 'open', 't', 'r', %s, %s, %s)",
            (id, str(id), elder, elders, self.centre, REGION, at, at, at),
        )
        return id

    async def pages(self, elder: UUID, limit: int, **wanted: bool) -> list[EventRow | AlertRow]:
        place = await store.place_of(self.conn, elder)
        kinds = {"events": True, "alerts": True} | wanted
        found: list[EventRow | AlertRow] = []
        cursor = None
        while True:
            page = await timeline.page(self.conn, place, cursor, limit, now=NOW, **kinds)
            assert len(page.items) <= limit
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found


@pytest.fixture
async def past(database: str) -> AsyncIterator[Past]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True, options="-c timezone=UTC") as conn:
        places = DevicePlaces(conn)
        yield Past(conn, places, await places.centre())


async def test_pages_of_any_size_give_everything_once_and_in_order(past: Past) -> None:
    dice = random.Random(7)
    elder = await past.places.elder(past.centre)
    devices = [await past.device() for _ in range(3)]
    for device, _ in devices:
        await past.bind(device, elder, NOW - timedelta(days=40))
    # Few distinct instants, so that pages end in the middle of what happened at once.
    instants = [NOW - timedelta(days=dice.randint(0, 30), seconds=dice.randint(0, 2)) for _ in range(12)]
    for _ in range(60):
        await past.event(dice.choice(devices)[1], dice.choice(instants))
    for _ in range(15):
        await past.alert([elder], dice.choice(instants), elder=elder)
    whole = await past.pages(elder, 500)
    assert len(whole) == 75
    assert whole == sorted(whole, key=lambda row: (row.at, row.id), reverse=True)
    for limit in (1, 2, 7, 74, 75, 76):
        assert await past.pages(elder, limit) == whole, limit


async def test_what_happens_while_somebody_turns_pages_moves_nothing(past: Past) -> None:
    elder = await past.places.elder(past.centre)
    device, number = await past.device()
    await past.bind(device, elder, NOW - timedelta(days=1))
    for minute in range(6):
        await past.event(number, NOW - timedelta(minutes=10 + minute))
    place = await store.place_of(past.conn, elder)
    whole = await past.pages(elder, 500)
    first = await timeline.page(past.conn, place, None, 3, events=True, alerts=True, now=NOW)
    await past.event(number, NOW - timedelta(minutes=1))
    await past.alert([elder], NOW, elder=elder)
    second = await timeline.page(past.conn, place, first.next_cursor, 3, events=True, alerts=True, now=NOW)
    assert [*first.items, *second.items] == whole


async def test_events_belong_to_whoever_wore_the_device_then(past: Past) -> None:
    one, other = await past.places.elder(past.centre), await past.places.elder(past.centre)
    device, number = await past.device()
    change = NOW - timedelta(hours=1)
    await past.bind(device, one, NOW - timedelta(days=1), change)
    await past.bind(device, other, change)
    for minutes in (90, 61, 60, 10):
        await past.event(number, NOW - timedelta(minutes=minutes))
    assert [row.at for row in await past.pages(one, 50)] == [NOW - timedelta(minutes=m) for m in (61, 90)]
    assert [row.at for row in await past.pages(other, 50)] == [NOW - timedelta(minutes=m) for m in (10, 60)]


async def test_an_alert_of_a_shared_home_stands_in_the_timeline_of_each_who_lives_there(past: Past) -> None:
    one, other = await past.places.elder(past.centre), await past.places.elder(past.centre)
    stranger = await past.places.elder(past.centre)
    await past.alert([one, other], NOW)
    assert len(await past.pages(one, 50)) == len(await past.pages(other, 50)) == 1
    assert await past.pages(stranger, 50) == []


async def test_a_reader_without_vitals_gets_alerts_only_and_the_other_way_round(past: Past) -> None:
    elder = await past.places.elder(past.centre)
    device, number = await past.device()
    await past.bind(device, elder, NOW - timedelta(days=1))
    await past.event(number, NOW)
    await past.alert([elder], NOW, elder=elder)
    assert [type(row) for row in await past.pages(elder, 50, events=False)] == [AlertRow]
    assert [type(row) for row in await past.pages(elder, 50, alerts=False)] == [EventRow]


async def test_an_event_a_little_ahead_of_our_clock_is_on_the_first_page(past: Past) -> None:
    elder = await past.places.elder(past.centre)
    device, number = await past.device()
    await past.bind(device, elder, NOW - timedelta(days=1))
    await past.event(number, NOW + timedelta(minutes=4, seconds=59))
    assert len(await past.pages(elder, 50)) == 1


async def test_every_role_gets_the_part_of_the_timeline_that_is_its_to_see(api_town: ApiTown) -> None:
    elder = api_town.spare_elder
    now = datetime.now(UTC)
    await api_town.conn.execute(
        "INSERT INTO event (device_no, at, received_at, type, value, key)"
        " SELECT d.device_no, %s, %s, 'motion', 'true', '\\x01' FROM device d WHERE d.id = %s",
        (now, now, api_town.town.spare_device.id),
    )
    await api_town.conn.execute(
        "INSERT INTO alert (id, version, seq, subject_kind, subject_id, elder_id, elder_ids, centre_id, region_code,"
        " rule, rule_version, severity, status, title, reason, opened_at, event_at, last_pressed_at)"
        " SELECT gen_random_uuid(), 1, 1, 'elder', id::text, id, ARRAY[id], centre_id, region_code, 'sos',"
        " 1, 'p0', 'open', '紧急呼叫', 'r', %s, %s, %s FROM elder WHERE id = %s",
        (now, now, now, elder),
    )
    await api_town.follow("family", elder, "alerts")
    expected: dict[str, tuple[int, list[str]]] = {
        "admin": (200, ["alert", "event"]),
        "operator": (200, ["alert", "event"]),
        "supervisor": (200, ["alert", "event"]),
        "regulator": (200, ["alert"]),
        "family": (200, ["alert"]),
        "visitor": (403, []),
        "foreign_operator": (404, []),
        "responder": (404, []),
    }
    for role, (status, kinds) in expected.items():
        answer = await api_town.call(role, "GET", f"/elders/{elder}/timeline")
        assert answer.status_code == status, role
        assert sorted(item["kind"] for item in answer.json().get("items", [])) == kinds, role
    await api_town.follow("family", elder, "vitals")
    answer = await api_town.call("family", "GET", f"/elders/{elder}/timeline")
    assert [item["kind"] for item in answer.json()["items"]] == ["event"]


async def test_a_foreign_cursor_is_refused_and_the_dictionary_names_what_the_timeline_says(api_town: ApiTown) -> None:
    answer = await api_town.call("operator", "GET", f"/elders/{api_town.spare_elder}/timeline", cursor="bm9uc2Vuc2U")
    assert answer.status_code == 422
    labels = (await api_town.call("visitor", "GET", "/dictionary")).json()
    assert labels["event_types"]["motion"] == {"zh": "活动", "en": "motion"}
    assert labels["rules"]["sos"]["zh"] == "紧急呼叫"
