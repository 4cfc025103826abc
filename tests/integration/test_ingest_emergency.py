"""The alarm lane's writer on the real database: how often it waits, and what it does when something fails midway."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.errors import CheckViolation

from alerts.ledger import lock_and_load
from alerts.vocabulary import SubjectKind
from core.contract.keys import CopyCounter
from core.errors import Conflict
from core.runtime.clock import Clock
from core.store.pool import Connection
from ingest.admission import admit, assign_keys, delivery_of
from ingest.database import LaneDatabase
from ingest.delivery import Delivery, Outcome
from ingest.emergency_writer import EmergencyWriter
from ingest.metrics import IngestMetrics
from ingest.poison import Fault, fault_of
from ingest.settle import Settler
from ingest.writer import Also
from registry.directory import Directory
from simulators.chaos.proxy import TcpProxy
from tests.fixtures.flights import CountingProxy
from tests.fixtures.ingest_house import House, eventually, unique
from tests.unit.ingest import words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


class Emergencies:
    """What a worker's alarm lane has: a settler with a connection of its own."""

    def __init__(self, house: House, *, url: str = "", worker: int = 1) -> None:
        self.house = house
        self.database = LaneDatabase(url or house.database_url, name="test", emergency=True)
        writer = EmergencyWriter(worker)
        metrics = IngestMetrics(CollectorRegistry())
        self.settler = Settler("alarm", self.database, writer, metrics, Clock(), within_s=20)
        self.copies = CopyCounter(0)

    def heard(self, body: Any, device: str = "") -> Delivery:
        """A message of the hub's, as the lane judges and keys it."""
        house = self.house
        hub, child = words.device(house.hub, house.hub_no), words.device(house.child, house.child_no, hub=house.hub)
        made = delivery_of(words.message(f"anxin/v1/{device or house.hub}/up/alarm", body, at=datetime.now(UTC)))
        admit(made, Directory([hub, child]))
        assign_keys(made, self.copies)
        return made

    async def settle(self, *deliveries: Delivery, also: Also | None = None) -> list[Outcome | None]:
        pieces = [piece for delivery in deliveries for piece in delivery.pieces]
        await self.settler.write(pieces, Counter(), also)
        return [piece.outcome for piece in pieces]


@pytest.fixture
async def house(database: str) -> AsyncIterator[House]:
    made = await House(database, "mqtt://nobody").open()
    yield made
    await made.conn.close()


@pytest.fixture
async def lane(house: House) -> AsyncIterator[Emergencies]:
    made = Emergencies(house)
    yield made
    await made.database.close()


def sos(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "sos", **more}


async def alerts(house: House) -> list[tuple[Any, ...]]:
    return await house.rows("SELECT rule, presses FROM alert ORDER BY rule")


@pytest.mark.parametrize(
    ("bodies", "trips"),
    [
        ([sos("1")], 3),
        ([sos(f"{n}") for n in range(5)], 3),
        ([{"id": "f", "type": "fall", "value": {"confidence": 0.9}}], 3),
        ([b"torn"], 3),
        ([sos("before")], 2),  # again, and no news: nothing to lock or raise
    ],
)
async def test_a_batch_of_alarms_waits_for_the_database_three_times(house, bodies, trips):
    async with CountingProxy(house.database_url) as proxy:
        lane = Emergencies(house, url=proxy.url)
        for n in range(7):  # from the sixth time on its statements are prepared
            await lane.settle(lane.heard(sos("before" if n == 6 else f"before {n}")))
        before = proxy.flights
        await lane.settle(*map(lane.heard, bodies))
        assert proxy.flights - before == trips
        await lane.database.close()


async def test_a_press_of_every_kind_is_stored_as_it_was_said(house, lane):
    at = datetime.now(UTC)
    fall = {
        "id": "f",
        "at": at.isoformat(),
        "type": "fall",
        "value": {"confidence": 0.5},
        "zone": "浴室",
        "device": house.child,
    }
    assert await lane.settle(lane.heard({"events": [fall, sos("s", quality="suspect")]}), lane.heard(b"torn")) == [
        Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REJECTED,
    ]  # fmt: skip
    stored = await house.rows("SELECT device_no, type, value, zone, suspect, length(key) FROM event ORDER BY type")
    assert stored == [
        (house.child_no, "fall", {"confidence": 0.5}, "浴室", False, 16),
        (house.hub_no, "sos", None, None, True, 16),
    ]
    assert await house.one("SELECT at FROM event WHERE type = 'fall'") == at
    assert await house.rows("SELECT lane, reason, payload, events FROM dead_letter") == [
        ("alarm", "malformed_json", b"torn", 1)
    ]
    assert [rule for rule, _ in await alerts(house)] == ["fall", "sos", "unreadable_alarm"]
    assert await house.one("SELECT last_at FROM device_state WHERE device_no = %s", house.child_no) == at
    assert await house.counts("alarm") == {"received": 3, "accepted": 2, "rejected": 1}


async def test_a_press_that_the_database_refuses_is_found_in_its_batch_and_rings_like_its_neighbours(house, lane):
    await house.conn.execute("ALTER TABLE event ADD CONSTRAINT poison CHECK (zone <> 'poison')")
    sessions: list[int] = []

    async def note(conn: Connection) -> None:
        sessions.append(conn.info.backend_pid)

    pressed = [lane.heard(sos(f"{n}", **({"zone": "poison"} if n == 2 else {}))) for n in range(5)]
    outcomes = await lane.settle(*pressed, also=note)
    assert outcomes == [Outcome.REJECTED if n == 2 else Outcome.ACCEPTED for n in range(5)]
    assert await alerts(house) == [("sos", 5)]
    assert await house.one("SELECT count(*) FROM event") == 4
    assert await house.one("SELECT count(*) FROM dead_letter") == 1
    assert await house.counts("alarm") == {"received": 5, "accepted": 4, "rejected": 1}
    assert len(set(sessions)) == 1, "a refused row costs no connection"


async def test_text_that_no_column_takes_is_refused_and_rings(house, lane):
    """What fails on our side, before it is sent, while others of its batch are on their way."""
    heard = lane.heard(sos("1", zone="浴室"))
    heard.pieces[0].content.zone = "\0"
    assert await lane.settle(lane.heard(sos("0")), heard) == [Outcome.ACCEPTED, Outcome.REJECTED]
    assert await alerts(house) == [("sos", 2)]


async def test_a_half_open_line_in_the_middle_is_the_servers_fault_and_the_next_try_stores_the_press_once(house, lane):
    server = psycopg.conninfo.conninfo_to_dict(house.database_url)
    proxy = await TcpProxy(str(server["host"]), int(server["port"] or 0)).start()
    url = psycopg.conninfo.make_conninfo(house.database_url, host=proxy.host, port=proxy.port)
    through = Emergencies(house, url=url)
    through.settler = replace(through.settler, within_s=1)
    pressed = through.heard(sos("1"))
    async with house.conn.transaction():
        # Elected and about to read: there the line dies.
        await lock_and_load(house.conn, [(SubjectKind.DEVICE, house.hub)], [])
        settling = asyncio.create_task(through.settle(pressed))
        await eventually(lambda: house.one(WAITING))
        proxy.strand()
        with pytest.raises(Exception) as caught:
            await settling
    assert fault_of(caught.value) is Fault.SERVER
    assert pressed.pieces[0].outcome is None
    assert await house.one("SELECT count(*) FROM event") == 0
    # The server throws the dead session out; the next try waits for its key.
    through.settler = replace(through.settler, within_s=20)
    assert await through.settle(pressed) == [Outcome.ACCEPTED]
    assert await alerts(house) == [("sos", 1)]
    await through.database.close()
    await proxy.stop()


async def test_an_election_lost_to_another_worker_while_it_waited_is_an_echo_and_to_itself_a_duplicate(house, lane):
    other = Emergencies(house, worker=2)
    body = sos("1")
    async with house.conn.transaction():
        [piece] = other.heard(body).pieces
        await house.conn.execute("INSERT INTO event_key VALUES (%s, %s, 1, now())", (house.hub_no, piece.key))
        waiting = asyncio.create_task(other.settle(other.heard(body)))
        await eventually(lambda: house.one(WAITING))
    assert await waiting == [Outcome.ECHO]
    assert await other.settle(other.heard(body)) == [Outcome.DUPLICATE], "this worker has met it"
    assert await lane.settle(lane.heard(body)) == [Outcome.DUPLICATE], "its own row"
    assert await lane.settle(lane.heard(sos("2")), lane.heard(sos("2"))) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert await alerts(house) == [("sos", 1)]
    await other.database.close()


async def test_a_nameless_press_that_loses_is_elected_again_and_is_never_a_repeat(house, lane):
    first, again, twin = (lane.heard({"type": "sos"}) for _ in range(3))
    again.pieces[0].key = twin.pieces[0].key = first.pieces[0].key
    assert await lane.settle(first) == [Outcome.ACCEPTED]
    # One lost to the row, the other to its neighbour.
    assert await lane.settle(again, twin, lane.heard(sos("named"))) == [Outcome.ACCEPTED] * 3
    assert await house.one("SELECT count(DISTINCT key) FROM event") == 4
    assert await alerts(house) == [("sos", 4)]


@pytest.mark.parametrize(
    ("spoil", "error", "fault"),
    [
        ("ALTER TABLE alert_event ADD CONSTRAINT poison CHECK (type <> 'alert.pressed')", CheckViolation, Fault.DATA),
        # Somebody changes rows without the lock: the statement itself must refuse, for COMMIT is on its way behind it.
        (
            "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;"
            "CREATE TRIGGER skip BEFORE UPDATE ON alert FOR EACH ROW EXECUTE FUNCTION skip()",
            Conflict,
            Fault.SERVER,
        ),
        ("DELETE FROM alert_counter", Conflict, Fault.SERVER),
    ],
)
async def test_a_press_whose_alert_cannot_be_written_is_neither_committed_nor_remembered(
    house, lane, spoil, error, fault
):
    await lane.settle(lane.heard(sos("first")))
    await house.conn.execute(spoil)
    pressed = lane.heard(sos("second"))
    for _ in range(20):  # whether the error comes before or after the COMMIT was sent is chance
        with pytest.raises(error) as caught:
            await lane.settler.transaction(pressed.pieces, Counter(), None)
        assert fault_of(caught.value) is fault
    assert pressed.pieces[0].outcome is None
    assert await house.one("SELECT count(*) FROM event_key") == 1
    assert await house.one("SELECT count(*) FROM event") == 1
    assert await house.counts("alarm") == {"received": 1, "accepted": 1}


async def test_the_position_of_the_spool_goes_with_the_batch_or_not_at_all(house, lane):
    async def move(conn: Connection) -> None:
        await conn.execute("INSERT INTO event_key VALUES (0, 'moved', 1, now())")

    moved = "SELECT count(*) FROM event_key WHERE key = 'moved'"
    await house.conn.execute("ALTER TABLE event ADD CONSTRAINT poison CHECK (zone <> 'poison')")
    with pytest.raises(CheckViolation):
        await lane.settler.transaction(lane.heard(sos("1", zone="poison")).pieces, Counter(), move)
    assert await house.one(moved) == 0
    await lane.settler.transaction(lane.heard(sos("2")).pieces, Counter(), move)
    assert await house.one(moved) == 1


async def test_a_device_that_nobody_knows_rings_and_a_hundred_presses_of_many_are_one_batch(house, lane):
    hubs = [unique("stranger") for _ in range(3)]
    heard = [lane.heard(sos(f"{n}"), device=hubs[n % 3]) for n in range(30)]
    heard += [lane.heard(sos(f"{n}", device=house.child)) for n in range(70)]
    outcomes = await lane.settle(*heard)
    assert outcomes == [Outcome.REJECTED] * 30 + [Outcome.ACCEPTED] * 70
    found = await house.rows("SELECT subject_id, presses FROM alert ORDER BY presses, subject_id")
    assert found == [*((hub, 10) for hub in sorted(hubs)), (house.child, 70)]
