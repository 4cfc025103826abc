"""Devices over HTTP: credentials once, bindings without overlap, state, commands, retirement; and who may do it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fixtures.api_town import ApiTown

pytestmark = pytest.mark.integration


async def _made(town: ApiTown, id: str = "dv-test", **body: object) -> Any:
    answer = await town.call("admin", "POST", "/devices", {"id": id, "model": "sos-button", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_new_device_shows_its_password_once_and_the_broker_has_its_hash(api_town: ApiTown) -> None:
    made = await _made(api_town)
    assert made["username"] == made["id"] == "dv-test"
    stored = await api_town.one("SELECT password_hash FROM broker_credential WHERE username = 'dv-test'")
    assert made["password"] not in stored
    shown = (await api_town.call("admin", "GET", "/devices/dv-test")).json()
    assert made["password"] not in str(shown)
    assert (shown["lifecycle"], shown["state"], shown["binding"]) == ("in_stock", None, None)


async def test_a_lost_answer_is_repeated_with_the_same_password(api_town: ApiTown) -> None:
    body, headers = {"model": "pendant"}, {"Idempotency-Key": "make-1"}
    first = await api_town.call("admin", "POST", "/devices", body, headers=headers)
    again = await api_town.call("admin", "POST", "/devices", body, headers=headers)
    assert first.json() == again.json()


async def test_a_device_that_cannot_be_is_refused_with_the_field(api_town: ApiTown) -> None:
    refused: list[tuple[dict[str, str], str]] = [
        ({"model": "no-such"}, "model"),
        ({"model": "pendant", "id": "has space"}, "id"),
        ({"model": "pendant", "id": "platform"}, "id"),
        ({"model": "pendant", "hub_id": "nobody"}, "hub_id"),
        ({"model": "pendant", "colour": "red"}, "colour"),
        ({}, "model"),
    ]
    for body, field in refused:
        answer = await api_town.call("admin", "POST", "/devices", body)
        assert answer.status_code == 422, body
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_an_id_is_given_out_once(api_town: ApiTown) -> None:
    await _made(api_town)
    answer = await api_town.call("admin", "POST", "/devices", {"id": "dv-test", "model": "pendant"})
    assert answer.status_code == 409


async def test_only_admins_manage_devices(api_town: ApiTown) -> None:
    spare = f"/devices/{api_town.town.spare_device.id}"
    calls: list[tuple[str, dict[str, str] | None]] = [
        ("/devices", {"model": "pendant"}),
        (f"{spare}/bindings", {"elder_id": str(api_town.spare_elder)}),
        (f"{spare}/unbind", {}),
        (f"{spare}/retire", None),
        (f"{spare}/revoke", None),
        (f"{spare}/credential", None),
    ]
    for role in ("operator", "supervisor", "visitor", "responder", "family", "regulator"):
        for path, body in calls:
            assert (await api_town.call(role, "POST", path, body)).status_code == 403, (role, path)


async def test_overlapping_bindings_are_409_and_unbinding_makes_room(api_town: ApiTown) -> None:
    await _made(api_town)
    body = {"elder_id": str(api_town.spare_elder)}
    bound = await api_town.call("admin", "POST", "/devices/dv-test/bindings", body)
    assert (bound.status_code, bound.json()["until"]) == (201, None)
    overlap = await api_town.call("admin", "POST", "/devices/dv-test/bindings", body)
    assert (overlap.status_code, overlap.json()["code"]) == (409, "binding-overlap")
    assert (await api_town.call("operator", "GET", "/devices/dv-test")).json()["binding"]["id"] == bound.json()["id"]
    ended = await api_town.call("admin", "POST", "/devices/dv-test/unbind", {})
    assert ended.json()["until"] is not None
    assert (await api_town.call("admin", "POST", "/devices/dv-test/bindings", body)).status_code == 201


async def test_a_binding_names_one_subject_and_a_possible_time(api_town: ApiTown) -> None:
    await _made(api_town)
    elder = str(api_town.spare_elder)
    for body in ({}, {"elder_id": elder, "dwelling_id": elder}, {"elder_id": elder, "from": "1969-01-01T00:00:00Z"}):
        assert (await api_town.call("admin", "POST", "/devices/dv-test/bindings", body)).status_code == 422, body


async def test_a_device_shows_when_it_was_last_heard(api_town: ApiTown) -> None:
    spare = api_town.town.spare_device.id
    at = datetime(2026, 3, 1, tzinfo=UTC)
    await api_town.conn.execute(
        "INSERT INTO device_state (device_no, last_at, last_seen, battery_pct, battery_at, link)"
        " SELECT device_no, %s, %s, 41, %s, 'online' FROM device WHERE id = %s",
        (at, at, at, spare),
    )
    state = (await api_town.call("operator", "GET", f"/devices/{spare}")).json()["state"]
    assert (state["last_seen"], state["battery_pct"], state["link"]) == ("2026-03-01T00:00:00Z", 41.0, "online")
    listed = (await api_town.call("operator", "GET", "/devices", elder_id=str(api_town.spare_elder))).json()["items"]
    assert [(row["id"], row["state"]["battery_pct"]) for row in listed] == [(spare, 41.0)]


async def test_an_operator_sees_and_commands_only_what_stands_in_the_own_centre(api_town: ApiTown) -> None:
    spare = api_town.town.spare_device.id
    assert (await api_town.call("foreign_operator", "GET", f"/devices/{spare}")).status_code == 404
    order = {"type": "ring"}
    assert (await api_town.call("foreign_operator", "POST", f"/devices/{spare}/commands", order)).status_code == 404
    listed = (await api_town.call("foreign_operator", "GET", "/devices", limit=500)).json()["items"]
    assert spare not in {row["id"] for row in listed}


async def test_who_answers_no_alerts_sees_and_commands_no_devices(api_town: ApiTown) -> None:
    spare = api_town.town.spare_device.id
    for role in ("visitor", "responder", "family", "regulator"):
        assert (await api_town.call(role, "GET", "/devices")).status_code == 403, role
        assert (await api_town.call(role, "GET", f"/devices/{spare}")).status_code == 403, role
        order = await api_town.call(role, "POST", f"/devices/{spare}/commands", {"type": "ring"})
        assert order.status_code == 403, role


async def test_a_list_of_devices_goes_on_at_its_cursor(api_town: ApiTown) -> None:
    everything = [row["id"] for row in (await api_town.call("admin", "GET", "/devices", limit=500)).json()["items"]]
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await api_town.call("admin", "GET", "/devices", limit=7, **cursor)).json()
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == everything == sorted(everything)
    assert len(seen) > 14


async def test_a_command_waits_for_its_device_and_tells_what_became_of_it(api_town: ApiTown) -> None:
    spare = api_town.town.spare_device.id
    order = {"type": "say", "params": {"text": "请接电话"}, "ttl_s": 30}
    answer = await api_town.call("operator", "POST", f"/devices/{spare}/commands", order)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    found = await api_town.call("operator", "GET", f"/devices/{spare}/commands/{answer.json()['id']}")
    assert found.json() == answer.json()
    assert await api_town.one("SELECT params->>'text' FROM device_command") == "请接电话"


async def test_an_impossible_command_is_refused(api_town: ApiTown) -> None:
    spare = api_town.town.spare_device.id
    bodies: list[dict[str, object]] = [
        {"type": "explode"},
        {"type": "ring", "ttl_s": 0},
        {"type": "ring", "ttl_s": 86_401},
        {"type": "say", "params": {"text": "nul \0"}},
        {"type": "say", "params": {"text": "x" * 20_000}},
    ]
    for body in bodies:
        answer = await api_town.call("operator", "POST", f"/devices/{spare}/commands", body)
        assert answer.status_code == 422, body
    assert await api_town.one("SELECT count(*) FROM device_command") == 0


async def test_a_retired_device_loses_credential_and_binding_and_takes_no_commands(api_town: ApiTown) -> None:
    spare = api_town.town.spare_device.id
    answer = await api_town.call("admin", "POST", f"/devices/{spare}/retire")
    assert (answer.status_code, answer.json()["lifecycle"]) == (200, "retired")
    assert await api_town.one("SELECT revoked_at IS NOT NULL FROM broker_credential WHERE username = %s", spare)
    assert (await api_town.call("admin", "GET", f"/devices/{spare}")).json()["binding"] is None
    assert (await api_town.call("admin", "POST", f"/devices/{spare}/commands", {"type": "ring"})).status_code == 409


async def test_a_new_password_takes_the_place_of_the_old_one(api_town: ApiTown) -> None:
    first = await _made(api_town)
    second = (await api_town.call("admin", "POST", "/devices/dv-test/credential")).json()
    assert second["username"] == "dv-test"
    assert second["password"] != first["password"]
    assert (await api_town.call("admin", "POST", "/devices/dv-test/revoke")).status_code == 200
    assert await api_town.one("SELECT revoked_at IS NOT NULL FROM broker_credential WHERE username = 'dv-test'")


async def test_a_device_that_is_not_there_is_no_server_error(api_town: ApiTown) -> None:
    for id in ("no-such-device", "%00", "a b", "x" * 80):
        assert (await api_town.call("admin", "GET", f"/devices/{id}")).status_code in (404, 422), id
