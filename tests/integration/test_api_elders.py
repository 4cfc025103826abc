"""Elders over HTTP: masked, scoped, searched, changed, revealed on record."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.fixtures.api_town import ApiTown

pytestmark = pytest.mark.integration

BROKEN: list[tuple[dict[str, object], str]] = [
    ({"name": None}, "name"),
    ({"birth_date": "2999-01-01"}, "birth_date"),
    ({"region_code": "12"}, "region_code"),
    ({"gender": "robot"}, "gender"),
    ({"favourite_colour": "red"}, "favourite_colour"),
    ({"living_arrangement": "\0"}, "living_arrangement"),
    ({"phone": "12x"}, "phone"),
]


async def _new_elder(town: ApiTown, **changes: object) -> dict[str, object]:
    row = (await town.call("admin", "GET", f"/elders/{town.spare_elder}")).json()
    return {
        "name": "欧阳小芳",
        "gender": "female",
        "birth_date": "1941-05-02",
        "region_code": row["region_code"],
        "centre_id": row["centre_id"],
        "living_arrangement": "living_alone",
        "phone": "19900004321",
        **changes,
    }


async def test_an_enrolled_elder_is_answered_masked_and_stored_encrypted(api_town: ApiTown) -> None:
    answer = await api_town.call("operator", "POST", "/elders", await _new_elder(api_town))
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["phone"]) == ("欧**芳", "199****4321")
    assert made["time_zone"] == "Asia/Shanghai"
    stored = await api_town.one("SELECT name_enc FROM elder WHERE id = %s", UUID(made["id"]))
    assert "欧阳".encode() not in stored


async def test_nobody_else_enrols_elders(api_town: ApiTown) -> None:
    for role in ("visitor", "regulator", "responder", "family"):
        assert (await api_town.call(role, "POST", "/elders", await _new_elder(api_town))).status_code == 403, role


async def test_an_operator_enrols_at_the_own_centre_only(api_town: ApiTown) -> None:
    assert (await api_town.call("foreign_operator", "POST", "/elders", await _new_elder(api_town))).status_code == 404


async def test_an_elder_in_scope_is_read_masked(api_town: ApiTown) -> None:
    for role in ("admin", "operator", "supervisor", "visitor", "regulator"):
        answer = await api_town.call(role, "GET", f"/elders/{api_town.spare_elder}")
        assert answer.status_code == 200, role
        row = answer.json()
        assert "*" in row["name"]
        assert "****" in row["phone"]
        assert row["building"].endswith(("栋", "组"))


async def test_an_elder_out_of_scope_does_not_exist(api_town: ApiTown) -> None:
    path = f"/elders/{api_town.spare_elder}"
    for role in ("foreign_operator", "responder", "family"):
        answers = [
            await api_town.call(role, "GET", path),
            await api_town.call(role, "PATCH", path, {"elder_status": "away"}),
            await api_town.call(role, "POST", f"{path}/reveal", {"fields": ["phone"], "reason": "call back"}),
            await api_town.call(role, "GET", f"{path}/readings", metric="heart_rate"),
            await api_town.call(role, "GET", f"{path}/readings/latest"),
            await api_town.call(role, "GET", f"{path}/timeline"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 6, role
        listed = await api_town.call(role, "GET", "/elders")
        assert str(api_town.spare_elder) not in {row["id"] for row in listed.json()["items"]}


async def test_an_elder_that_never_was_looks_like_one_out_of_scope(api_town: ApiTown) -> None:
    never = await api_town.call("foreign_operator", "GET", f"/elders/{uuid4()}")
    hidden = await api_town.call("foreign_operator", "GET", f"/elders/{api_town.spare_elder}")
    assert {**never.json(), "instance": "", "reference": ""} == {**hidden.json(), "instance": "", "reference": ""}


async def test_elders_are_found_by_name_piece_phone_and_number_within_the_scope(api_town: ApiTown) -> None:
    made = (await api_town.call("operator", "POST", "/elders", await _new_elder(api_town))).json()
    for q in ("欧阳小芳", "阳小", "19900004321", str(made["elder_no"])):
        found = (await api_town.call("operator", "GET", "/elders", q=q)).json()["items"]
        assert made["id"] in {row["id"] for row in found}, q
        assert (await api_town.call("foreign_operator", "GET", "/elders", q=q)).json()["items"] == [], q


async def test_a_list_goes_on_at_its_cursor_until_all_were_seen(api_town: ApiTown) -> None:
    everything = [row["id"] for row in (await api_town.call("admin", "GET", "/elders")).json()["items"]]
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await api_town.call("admin", "GET", "/elders", limit=2, **cursor)).json()
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == everything
    assert len(seen) >= 4


async def test_a_change_raises_the_version_and_a_stale_one_is_refused(api_town: ApiTown) -> None:
    path = f"/elders/{api_town.spare_elder}"
    before = (await api_town.call("operator", "GET", path)).json()
    change = {"elder_status": "hospital", "version": before["version"]}
    changed = await api_town.call("operator", "PATCH", path, change)
    assert (changed.status_code, changed.json()["elder_status"]) == (200, "hospital")
    assert changed.json()["version"] == before["version"] + 1
    assert (await api_town.call("operator", "PATCH", path, change)).status_code == 409


async def test_a_broken_field_is_named_and_changes_nothing(api_town: ApiTown) -> None:
    path = f"/elders/{api_town.spare_elder}"
    before = (await api_town.call("admin", "GET", path)).json()
    for change, field in BROKEN:
        answer = await api_town.call("admin", "PATCH", path, change)
        assert answer.status_code == 422, change
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await api_town.call("admin", "GET", path)).json() == before


async def test_revealing_needs_a_reason_and_is_on_record_with_it(api_town: ApiTown) -> None:
    path = f"/elders/{api_town.spare_elder}/reveal"
    assert (await api_town.call("operator", "POST", path, {"fields": ["phone"], "reason": " "})).status_code == 422
    answer = await api_town.call("operator", "POST", path, {"fields": ["name", "phone"], "reason": "回拨"})
    assert answer.status_code == 200
    assert "*" not in answer.json()["fields"]["name"]
    assert answer.json()["fields"]["phone"].startswith("1990000")
    recorded = await api_town.one(
        "SELECT array_agg(reason || ':' || array_to_string(fields, ',')) FROM access_log WHERE action = 'reveal'"
    )
    assert recorded == ["回拨:name,phone"]


async def test_who_sees_masked_cannot_unmask(api_town: ApiTown) -> None:
    body = {"fields": ["phone"], "reason": "curious"}
    for role in ("visitor", "regulator"):
        answer = await api_town.call(role, "POST", f"/elders/{api_town.spare_elder}/reveal", body)
        assert answer.status_code == 403, role


async def test_the_identity_number_opens_for_admins_only(api_town: ApiTown) -> None:
    path, body = f"/elders/{api_town.spare_elder}/reveal", {"fields": ["id_no"], "reason": "register"}
    assert (await api_town.call("supervisor", "POST", path, body)).status_code == 403
    assert len((await api_town.call("admin", "POST", path, body)).json()["fields"]["id_no"]) == 18


async def test_reading_and_searching_go_on_record_without_the_words(api_town: ApiTown) -> None:
    await api_town.call("operator", "GET", f"/elders/{api_town.spare_elder}")
    await api_town.call("operator", "GET", f"/elders/{api_town.spare_elder}/readings", metric="heart_rate")
    await api_town.call("operator", "GET", "/elders", q="王桂英")
    rows = await api_town.one(
        "SELECT array_agg(action || ' ' || array_to_string(fields, ',') ORDER BY id) FROM access_log"
    )
    assert rows == ["read record", "read readings.heart_rate", "search name"]


async def test_a_repeated_enrolment_with_the_same_key_makes_one_elder(api_town: ApiTown) -> None:
    body, headers = await _new_elder(api_town), {"Idempotency-Key": "enrol-1"}
    before = await api_town.one("SELECT count(*) FROM elder")
    first = await api_town.call("operator", "POST", "/elders", body, headers=headers)
    again = await api_town.call("operator", "POST", "/elders", body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert await api_town.one("SELECT count(*) FROM elder") == before + 1
