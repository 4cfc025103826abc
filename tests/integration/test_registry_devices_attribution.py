"""Whose event it is: the binding valid when it happened."""

from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from core.errors import ConfigurationError
from registry import attribution, bindings, device_models, devices
from tests.fixtures.device_places import NOW, OTHER_REGION, REGION, DevicePlaces

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture
async def places(database: str) -> AsyncIterator[DevicePlaces]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as conn:
        await device_models.seed_models(conn, NOW)
        yield DevicePlaces(conn)


async def test_an_event_belongs_to_the_elder_bound_when_it_happened_not_to_the_one_bound_now(places: DevicePlaces):
    conn, centre = places.conn, await places.centre()
    other_centre = await places.centre(region=OTHER_REGION)
    first, second = await places.elder(centre), await places.elder(other_centre, region=OTHER_REGION)
    await devices.create(conn, device_id="w1", model="sos-watch", now=NOW)
    await bindings.bind(conn, "w1", elder_id=first, from_=NOW, now=NOW)
    await bindings.unbind(conn, "w1", NOW + HOUR)
    await bindings.bind(conn, "w1", elder_id=second, from_=NOW + 2 * HOUR, now=NOW)

    then, border, between, later = await attribution.attribute(
        conn, [("w1", NOW), ("w1", NOW + HOUR), ("w1", NOW + 1.5 * HOUR), ("w1", NOW + 3 * HOUR)]
    )

    assert then == attribution.Attribution("elder", str(first), first, (first,), centre, REGION)
    assert (border.subject_kind, border.subject_id, border.elder_ids) == ("device", "w1", ())
    assert between.subject_kind == "device"
    assert later == attribution.Attribution("elder", str(second), second, (second,), other_centre, OTHER_REGION)


async def test_a_dwelling_with_one_resident_names_the_elder_and_with_two_names_both_as_family_scope(
    places: DevicePlaces,
):
    conn, centre = places.conn, await places.centre()
    alone, shared, empty = [await places.dwelling(centre) for _ in range(3)]
    single = await places.elder(centre, dwelling=alone)
    await places.elder(centre, dwelling=alone, enrolment="deceased")
    pair = {await places.elder(centre, dwelling=shared), await places.elder(centre, dwelling=shared)}
    for device, dwelling in (("s1", alone), ("s2", shared), ("s3", empty)):
        await devices.create(conn, device_id=device, model="smoke-detector", now=NOW)
        await bindings.bind(conn, device, dwelling_id=dwelling, now=NOW)

    one, two, nobody = await attribution.attribute(conn, [("s1", NOW), ("s2", NOW), ("s3", NOW)])

    assert one == attribution.Attribution("dwelling", str(alone), single, (single,), centre, REGION)
    assert (two.subject_kind, two.elder_id, set(two.elder_ids)) == ("dwelling", None, pair)
    assert nobody == attribution.Attribution("dwelling", str(empty), None, (), centre, REGION)


async def test_an_unbound_child_rings_in_the_centre_of_the_place_its_hub_stands_in(places: DevicePlaces):
    conn = places.conn
    default, stock = await places.centre(default=True), await places.centre()
    local = await places.centre(region=OTHER_REGION)
    home = await places.dwelling(local, region=OTHER_REGION)
    await devices.create(conn, device_id="hub", model="hub", centre_id=stock, now=NOW)
    await devices.create(conn, device_id="child", model="pendant", hub_id="hub", now=NOW)
    await devices.create(conn, device_id="shelf", model="pendant", centre_id=stock, now=NOW)
    await devices.create(conn, device_id="loose", model="pendant", now=NOW)
    await bindings.bind(conn, "hub", dwelling_id=home, from_=NOW + HOUR, now=NOW)

    found = await attribution.attribute(
        conn, [("child", NOW + HOUR), ("child", NOW), ("shelf", NOW), ("loose", NOW), ("stranger", NOW)]
    )

    assert [each.subject_kind for each in found] == ["device"] * 5
    assert [each.subject_id for each in found] == ["child", "child", "shelf", "loose", "stranger"]
    assert [each.centre_id for each in found] == [local, stock, stock, default, default]
    assert found[0].region_code == OTHER_REGION


async def test_a_stranger_lands_in_the_default_centre_and_without_one_in_the_oldest(places: DevicePlaces):
    oldest = await places.centre(at=NOW - HOUR)
    await places.centre(at=NOW)
    assert (await attribution.attribute_unidentified(places.conn, "who")).centre_id == oldest

    default = await places.centre(default=True, at=NOW + HOUR, region=OTHER_REGION)
    found = await attribution.attribute_unidentified(places.conn, "who")
    assert found == attribution.Attribution("device", "who", None, (), default, OTHER_REGION)


async def test_a_closed_centre_does_not_answer_for_strangers_while_another_works(places: DevicePlaces):
    closed, working = await places.centre(at=NOW - HOUR), await places.centre()
    await places.conn.execute("UPDATE organisation SET status = 'closed' WHERE id = %s", (closed,))
    assert (await attribution.attribute_unidentified(places.conn, "who")).centre_id == working


async def test_without_any_centre_the_error_says_what_is_missing(places: DevicePlaces):
    with pytest.raises(ConfigurationError, match="no service centre"):
        await attribution.attribute_unidentified(places.conn, "who")


async def test_a_long_list_comes_back_in_its_own_order(places: DevicePlaces):
    conn, centre = places.conn, await places.centre()
    elders = [await places.elder(centre) for _ in range(3)]
    made = await devices.create_many(conn, [devices.DeviceSpec("pendant") for _ in elders], now=NOW)
    for device, elder in zip(made, elders, strict=True):
        await bindings.bind(conn, device.device.id, elder_id=elder, from_=NOW, now=NOW)
    asked = [i * 7 % 3 for i in range(500)]

    found = await attribution.attribute(conn, [(made[i].device.id, NOW + i * HOUR) for i in asked])

    assert [each.elder_id for each in found] == [elders[i] for i in asked]


async def test_no_moments_need_no_database(places: DevicePlaces):
    await places.conn.close()
    assert await attribution.attribute(places.conn, []) == []
