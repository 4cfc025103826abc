"""Devices, bindings and commands on the real database."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from core.errors import Conflict, Invalid, NotFound
from registry import bindings, commands, device_models, devices
from registry.credentials import hash_password
from registry.device_cli import main
from tests.fixtures.device_places import NOW, DevicePlaces

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture
async def places(database: str) -> AsyncIterator[DevicePlaces]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as conn:
        await device_models.seed_models(conn, NOW)
        yield DevicePlaces(conn)


async def one(places: DevicePlaces, sql: str, *params: object) -> tuple[Any, ...]:
    row = await (await places.conn.execute(sql, params)).fetchone()
    assert row is not None
    return row


async def test_a_device_is_made_with_a_password_that_only_its_hash_is_kept_of(places: DevicePlaces):
    device, username, password = await devices.create(places.conn, device_id=None, model="sos-watch", now=NOW)
    assert username == device.id and password is not None
    assert (device.model, device.device_type, device.lifecycle) == ("sos-watch", "wearable_watch", "in_stock")
    stored, revoked = await one(
        places, "SELECT password_hash, revoked_at FROM broker_credential WHERE username = %s", device.id
    )
    salt = base64.b64decode(stored.split("$")[3])
    assert stored == hash_password(password, salt=salt)
    assert revoked is None


async def test_a_child_speaks_through_its_hub_and_has_no_password(places: DevicePlaces):
    await devices.create(places.conn, device_id="hub", model="hub", now=NOW)
    child = await devices.create(places.conn, device_id="child", model="pir", hub_id="hub", now=NOW)
    assert (child.username, child.password) == (None, None)
    own = await devices.create(places.conn, model="pendant", hub_id="hub", with_credential=True, now=NOW)
    assert own.password is not None


@pytest.mark.parametrize(
    ("spec", "field", "rule"),
    [
        ({"model": "toaster"}, "model", "unknown_model"),
        ({"model": "pir", "device_id": "a/b"}, "id", "device_id"),
        ({"model": "pir", "device_id": "+"}, "id", "device_id"),
        ({"model": "pir", "device_id": "x" * 65}, "id", "device_id"),
        ({"model": "pir", "device_id": "Platform"}, "id", "reserved"),
        ({"model": "pir", "hub_id": "nowhere"}, "hub_id", "unknown_hub"),
        ({"model": "pir", "hub_id": "child"}, "hub_id", "not_a_hub"),
        ({"model": "pir", "hub_id": "retired"}, "hub_id", "not_a_hub"),
        ({"model": "pir", "device_id": "me", "hub_id": "me"}, "hub_id", "unknown_hub"),
        ({"model": "pir", "centre_id": uuid4()}, "centre_id", "unknown_centre"),
    ],
)
async def test_a_wrong_device_is_refused_with_the_field_that_is_wrong(places: DevicePlaces, spec, field, rule):
    await devices.create(places.conn, device_id="hub", model="hub", now=NOW)
    await devices.create(places.conn, device_id="child", model="pendant", hub_id="hub", now=NOW)
    await devices.create(places.conn, device_id="retired", model="hub", now=NOW)
    await devices.retire(places.conn, "retired", NOW)
    with pytest.raises(Invalid) as refused:
        await devices.create(places.conn, **spec, now=NOW)
    assert [(error.field, error.rule) for error in refused.value.errors] == [(field, rule)]
    assert await one(places, "SELECT count(*) FROM device") == (3,)


async def test_an_id_is_given_once_and_the_callers_transaction_survives_the_refusal(places: DevicePlaces):
    async with places.conn.transaction():
        await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)
        with pytest.raises(Conflict) as refused:
            await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)
        await devices.create(places.conn, device_id="w2", model="pendant", now=NOW)
    assert refused.value.code == "device-exists"
    assert await one(places, "SELECT count(*) FROM broker_credential") == (2,)


async def test_a_whole_home_is_made_at_once_hub_before_children_or_not_at_all(places: DevicePlaces):
    home = [devices.DeviceSpec("hub", "h1"), devices.DeviceSpec("pir", "p1", hub_id="h1"), devices.DeviceSpec("pir")]
    made = await devices.create_many(places.conn, home, now=NOW)
    assert [each.device.hub_id for each in made] == [None, "h1", None]
    assert [each.password is None for each in made] == [False, True, False]
    with pytest.raises(Invalid):
        await devices.create_many(places.conn, [devices.DeviceSpec("hub", "h2"), devices.DeviceSpec("x")], now=NOW)
    with pytest.raises(NotFound):
        await devices.get(places.conn, "h2")


async def test_a_retired_device_has_no_credential_no_binding_and_gets_no_new_ones(places: DevicePlaces):
    elder = await places.elder(await places.centre())
    await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)
    await bindings.bind(places.conn, "w1", elder_id=elder, from_=NOW, until=NOW + 2 * HOUR, now=NOW)
    await bindings.bind(places.conn, "w1", elder_id=elder, from_=NOW + 3 * HOUR, now=NOW)

    retired = await devices.retire(places.conn, "w1", NOW + HOUR)

    assert (retired.lifecycle, retired.retired_at) == ("retired", NOW + HOUR)
    assert await devices.retire(places.conn, "w1", NOW + 2 * HOUR) == retired
    (kept,) = await bindings.bindings_of(places.conn, ["w1"])
    assert (kept.from_, kept.until) == (NOW, NOW + HOUR)
    assert (await one(places, "SELECT revoked_at FROM broker_credential"))[0] == NOW + HOUR
    for refused in (
        bindings.bind(places.conn, "w1", elder_id=elder, now=NOW),
        devices.reissue(places.conn, "w1", NOW),
        commands.enqueue(places.conn, "w1", "ring", now=NOW),
    ):
        with pytest.raises(Conflict) as error:
            await refused
        assert error.value.code == "device-retired"


async def test_a_hub_is_not_retired_while_children_speak_through_it(places: DevicePlaces):
    await devices.create(places.conn, device_id="hub", model="hub", now=NOW)
    await devices.create(places.conn, device_id="child", model="smoke-detector", hub_id="hub", now=NOW)
    with pytest.raises(Conflict) as refused:
        await devices.retire(places.conn, "hub", NOW)
    assert refused.value.code == "hub-has-children"
    await devices.retire(places.conn, "child", NOW)
    await devices.retire(places.conn, "hub", NOW)


async def test_an_overlapping_binding_is_refused_and_the_first_one_stays(places: DevicePlaces):
    centre = await places.centre()
    first, second = await places.elder(centre), await places.elder(centre)
    await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)
    bound = await bindings.bind(places.conn, "w1", elder_id=first, from_=NOW, now=NOW)
    assert (await devices.get(places.conn, "w1")).lifecycle == "installed"
    for start in (NOW - HOUR, NOW, NOW + HOUR):
        with pytest.raises(Conflict) as refused:
            await bindings.bind(places.conn, "w1", elder_id=second, from_=start, now=NOW)
        assert refused.value.code == "binding-overlap"
    assert await bindings.bindings_of(places.conn, ["w1"]) == [bound]

    ended = await bindings.unbind(places.conn, "w1", NOW + HOUR)
    assert (ended.from_, ended.until) == (NOW, NOW + HOUR)
    assert (await devices.get(places.conn, "w1")).lifecycle == "in_stock"
    await bindings.bind(places.conn, "w1", elder_id=second, from_=NOW + HOUR, now=NOW)
    await bindings.bind(places.conn, "w1", elder_id=second, from_=NOW - HOUR, until=NOW, now=NOW)


async def test_two_bindings_at_the_same_moment_leave_one(places: DevicePlaces, database: str):
    elder = await places.elder(await places.centre())
    await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)

    async def bind() -> str:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as conn:
            try:
                await bindings.bind(conn, "w1", elder_id=elder, from_=NOW, now=NOW)
            except Conflict as refused:
                return refused.code
            return "bound"

    assert sorted(await asyncio.gather(*(bind() for _ in range(6)))) == ["binding-overlap"] * 5 + ["bound"]


async def test_a_wrong_binding_is_refused_with_the_field_that_is_wrong(places: DevicePlaces):
    elder = await places.elder(await places.centre())
    await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)
    for given, field in (
        ({}, "elder_id"),
        ({"elder_id": elder, "dwelling_id": uuid4()}, "elder_id"),
        ({"elder_id": uuid4()}, "elder_id"),
        ({"dwelling_id": uuid4()}, "dwelling_id"),
        ({"elder_id": elder, "until": NOW}, "until"),
        ({"elder_id": elder, "zone": "bedroom"}, "zone"),
    ):
        with pytest.raises(Invalid) as refused:
            await bindings.bind(places.conn, "w1", **given, from_=NOW, now=NOW)
        assert refused.value.errors[0].field == field
    with pytest.raises(NotFound):
        await bindings.bind(places.conn, "w9", elder_id=elder, now=NOW)
    for at in (NOW, NOW + HOUR):
        with pytest.raises(Conflict) as not_bound:
            await bindings.unbind(places.conn, "w1", at)
        assert not_bound.value.code == "not-bound"


async def test_a_room_is_found_by_name_or_kind_and_a_new_name_adds_it(places: DevicePlaces):
    centre = await places.centre()
    home = await places.dwelling(centre)
    await places.conn.execute(
        "INSERT INTO zone (id, dwelling_id, kind, name) VALUES (%s, %s, 'bedroom', 'north room')", (uuid4(), home)
    )
    for number, (asked, got) in enumerate(
        [("north room", "north room"), ("bedroom", "north room"), ("kitchen", "kitchen"), ("attic", "attic")]
    ):
        await devices.create(places.conn, device_id=f"s{number}", model="pir", now=NOW)
        bound = await bindings.bind(places.conn, f"s{number}", dwelling_id=home, zone=asked, now=NOW)
        assert bound.zone == got
    rows = await (await places.conn.execute("SELECT kind, name FROM zone ORDER BY name")).fetchall()
    assert rows == [("other", "attic"), ("kitchen", "kitchen"), ("bedroom", "north room")]


async def test_a_list_keeps_to_the_scope(places: DevicePlaces):
    centre, other = await places.centre(), await places.centre()
    elder = await places.elder(centre)
    for device_id, stock in (("a", None), ("b", centre), ("c", other), ("d", None)):
        await devices.create(places.conn, device_id=device_id, model="hub", centre_id=stock, now=NOW)
    await devices.create(places.conn, device_id="a1", model="pir", hub_id="a", now=NOW)
    await bindings.bind(places.conn, "a", elder_id=elder, from_=NOW, now=NOW)

    def scope(**given: object) -> dict[str, object]:
        nobody = {"scope_everything": False, "scope_centres": [], "scope_regions": [], "scope_elders": []}
        return {**nobody, **given}

    async def ids(params: dict[str, object] | None, **given) -> list[str]:
        return [device.id for device in await devices.list_(places.conn, params, now=NOW, **given)]

    assert await ids(None) == ["a", "a1", "b", "c", "d"]
    assert await ids(scope()) == []
    assert await ids(scope(scope_centres=[centre])) == ["a", "a1", "b"]
    assert await ids(scope(scope_elders=[elder])) == ["a"]
    assert await ids(scope(scope_regions=["3601%"])) == ["a", "a1"]
    assert await ids(None, after="a1", limit=2) == ["b", "c"]
    assert await ids(None, hub_id="a") == ["a1"]
    assert await ids(None, elder_id=elder) == ["a"]
    assert await ids(None, lifecycle="installed") == ["a"]


async def test_a_command_goes_to_one_sender_and_is_answered_by_the_device_that_was_told(
    places: DevicePlaces, database: str
):
    await devices.create(places.conn, device_id="hub", model="hub", now=NOW)
    await devices.create(places.conn, device_id="child", model="pendant", hub_id="hub", now=NOW)
    await devices.create(places.conn, device_id="other", model="pendant", now=NOW)
    queued = await commands.enqueue(places.conn, "child", "say", {"text": "hello"}, now=NOW)
    assert (queued.addressee, queued.status, queued.expires_at) == ("hub", "queued", NOW + timedelta(seconds=60))

    async with (
        await psycopg.AsyncConnection.connect(database) as first,
        await psycopg.AsyncConnection.connect(database) as second,
    ):
        (claimed,) = await commands.claim_queued(first, NOW)
        assert (claimed.id, claimed.params, claimed.hub_id) == (queued.id, {"text": "hello"}, "hub")
        assert await commands.claim_queued(second, NOW) == []
        await first.rollback()  # this sender died: the next one gets it
        assert len(await commands.claim_queued(second, NOW)) == 1
        await commands.mark_sent(second, [queued.id], NOW)
        await second.commit()

    assert await commands.claim_queued(places.conn, NOW) == []
    assert not await commands.finish(places.conn, "other", queued.id, outcome="done", now=NOW)
    assert await commands.finish(places.conn, "hub", queued.id, outcome="refused", detail="x" * 900, now=NOW)
    assert not await commands.finish(places.conn, "hub", queued.id, outcome="done", now=NOW)
    done = await commands.get(places.conn, queued.id)
    assert (done.status, len(done.detail or ""), done.finished_at) == ("refused", 500, NOW)


async def test_an_old_command_expires_unsent_and_a_late_answer_still_tells_what_happened(places: DevicePlaces):
    await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)
    queued = await commands.enqueue(places.conn, "w1", "ring", ttl_s=60, now=NOW)
    late = NOW + timedelta(seconds=60)
    assert await commands.claim_queued(places.conn, late) == []
    assert await commands.expire(places.conn, late - timedelta(seconds=1)) == 0
    assert await commands.expire(places.conn, late) == 1
    assert (await commands.get(places.conn, queued.id)).status == "expired"
    assert await commands.finish(places.conn, "w1", queued.id, outcome="done", now=late + HOUR)
    assert (await commands.get(places.conn, queued.id)).status == "done"


async def test_a_wrong_command_is_refused_in_a_sentence(places: DevicePlaces):
    await devices.create(places.conn, device_id="w1", model="pendant", now=NOW)
    with pytest.raises(Invalid, match="locate, ring"):
        await commands.enqueue(places.conn, "w1", "explode", now=NOW)
    with pytest.raises(Invalid, match="86400"):
        await commands.enqueue(places.conn, "w1", "ring", ttl_s=0, now=NOW)
    with pytest.raises(NotFound):
        await commands.enqueue(places.conn, "w9", "ring", now=NOW)
    with pytest.raises(NotFound):
        await commands.get(places.conn, uuid4())
    await devices.revoke_credential(places.conn, "w1", NOW)
    with pytest.raises(Conflict) as unreachable:
        await commands.enqueue(places.conn, "w1", "ring", now=NOW)
    assert unreachable.value.code == "device-unreachable"


async def test_the_command_line_makes_binds_and_retires_a_device(
    places: DevicePlaces, database: str, capsys, monkeypatch
):
    monkeypatch.setenv("ANXIN_DATABASE_URL", database)
    elder = await places.elder(await places.centre())

    async def anxin_device(*words: str) -> dict[str, Any]:
        assert await asyncio.to_thread(main, list(words)) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    made = await anxin_device("create", "--model", "pendant", "--id", "w1")
    assert made["username"] == "w1" and len(made["password"]) == 32
    bound = await anxin_device("bind", "w1", "--elder", str(elder), "--from", "2026-03-01T08:00:00+08:00")
    assert UUID(bound["elder_id"]) == elder and bound["from"] == "2026-03-01T00:00:00+00:00"
    assert (await anxin_device("list"))["lifecycle"] == "installed"
    assert (await anxin_device("unbind", "w1", "--at", "2026-03-02T08:00:00+08:00"))["until"] is not None
    assert (await anxin_device("reissue", "w1"))["password"] != made["password"]
    assert await anxin_device("revoke", "w1") == {"id": "w1", "revoked": True}
    assert (await anxin_device("retire", "w1"))["lifecycle"] == "retired"


@pytest.mark.parametrize(
    "word", ["create", "list", "models", "bind", "unbind", "retire", "revoke", "reissue-credential"]
)
def test_every_word_of_the_command_line_explains_itself_with_an_example(word: str, capsys):
    with pytest.raises(SystemExit) as left:
        main([word, "--help"])
    assert left.value.code == 0
    assert f"example:\n  anxin device {word}" in capsys.readouterr().out
