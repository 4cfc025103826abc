"""Alerts over HTTP: lists, one with its timeline, actions, scope, repeated requests."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from alerts.vocabulary import Action
from api.alert_models import AlertObject, AlertWithTimeline
from tests.fixtures.api_server import RunningApi

pytestmark = pytest.mark.integration

BODIES: dict[Action, dict[str, Any]] = {
    Action.ACKNOWLEDGE: {},
    Action.RELEASE: {"reason": "wrong seat"},
    Action.TAKEOVER: {"reason": "holder is busy"},
    Action.ASSIST: {},
    Action.CALL: {"party": "elder", "result": "no_answer"},
    Action.VERIFY: {"result": "real"},
    Action.DISPATCH: {"service": "120"},
    Action.ARRIVE: {"proof": "door tag 7"},
    Action.RESOLVE: {"outcome": "helped"},
    Action.CLOSE: {"code": "helped", "note": "all well"},
    Action.REOPEN: {"reason": "rang again"},
    Action.NOTE: {"text": "daughter informed"},
}


async def opened(api: RunningApi, device: str | None = None) -> str:
    [change] = await api.seeded.press(device or api.seeded.watches[0])
    return str(change.alert.id)


async def test_an_alert_has_the_contracts_fields_and_the_masked_label_of_its_elder(api: RunningApi):
    alert_id = await opened(api)
    client = await api.client("operator")
    page = (await client.get("/api/v1/alerts")).json()
    [alert] = page["items"]
    assert page["next_cursor"] is None
    assert alert["id"] == alert_id
    assert (alert["rule"], alert["severity"], alert["status"], alert["presses"]) == ("sos", "p0", "open", 1)
    assert "*" in alert["elder"]["name_masked"]
    assert alert["elder"]["id"] == alert["elder_id"]
    assert alert["elder"]["building"]
    AlertObject.model_validate(alert)
    assert alert.keys() == AlertObject.model_fields.keys()  # what is published is what is sent
    one = (await client.get(f"/api/v1/alerts/{alert_id}")).json()
    AlertWithTimeline.model_validate(one)
    assert [entry["type"] for entry in one["timeline"]] == ["alert.opened"]


async def test_smoke_in_a_home_of_several_names_all_who_live_there(api: RunningApi):
    rows = await api.seeded.fetch(
        "SELECT b.device_id FROM device_binding b JOIN household h ON h.dwelling_id = b.dwelling_id"
        " JOIN elder e ON e.household_id = h.id GROUP BY b.device_id HAVING count(*) = 2 ORDER BY 1 LIMIT 1"
    )
    await api.seeded.press(rows[0][0], kind="smoke", value=True)
    [alert] = (await (await api.client("admin")).get("/api/v1/alerts")).json()["items"]
    assert alert["elder_id"] is None
    assert alert["elder"] is None
    assert len(alert["residents"]) == 2
    assert all("*" in label["name_masked"] for label in alert["residents"])


async def test_filters_narrow_and_wrong_words_are_refused(api: RunningApi):
    first, second = [await opened(api, device) for device in api.seeded.watches[:2]]
    client = await api.client("operator")
    await client.post(f"/api/v1/alerts/{first}/acknowledge")

    async def ids(query: str) -> list[str]:
        answer = await client.get(f"/api/v1/alerts?{query}")
        assert answer.status_code == 200, answer.text
        return [alert["id"] for alert in answer.json()["items"]]

    assert await ids("") == [second, first]
    assert await ids("status=open") == [second]
    assert await ids("status=open,acknowledged") == [second, first]
    assert await ids("status=live&severity=p0") == [second, first]
    assert await ids("severity=p1,p2") == []
    elder = (await client.get(f"/api/v1/alerts/{second}")).json()["elder_id"]
    assert await ids(f"elder_id={elder}") == [second]
    assert await ids(f"elder_id={uuid4()}") == []
    for query, field in (
        ("status=sleeping", "status"),
        ("severity=p9", "severity"),
        ("elder_id=7", "elder_id"),
        ("limit=501", "limit"),
        ("cursor=zzz", "cursor"),
    ):
        answer = await client.get(f"/api/v1/alerts?{query}")
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_pages_cover_everything_once_while_alerts_are_added(api: RunningApi):
    old = {str(change.alert.id) for change in await api.seeded.press(*api.seeded.watches[:7])}
    client = await api.client("operator")
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await client.get(f"/api/v1/alerts?limit=2{cursor and '&cursor=' + cursor}")).json()
        seen += [alert["id"] for alert in page["items"]]
        cursor = page["next_cursor"]
        if len(seen) == 2:
            await opened(api, api.seeded.watches[7])
    assert len(seen) == len(set(seen))
    assert set(seen) == old


async def test_a_stranger_gets_404_from_every_route_of_an_alert(api: RunningApi):
    alert_id = await opened(api)
    foreign = await api.client("foreign_operator")
    assert (await foreign.get("/api/v1/alerts")).json()["items"] == []
    assert (await foreign.get(f"/api/v1/alerts/{alert_id}")).status_code == 404
    assert BODIES.keys() == set(Action)
    for action, body in BODIES.items():
        answer = await foreign.post(f"/api/v1/alerts/{alert_id}/{action.value}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), action
    [(version,)] = await api.seeded.fetch("SELECT version FROM alert")
    assert version == 1


async def test_who_sees_an_alert_follows_role_and_link(api: RunningApi):
    await api.seeded.press(*api.seeded.watches)
    counts = {}
    for account in api.seeded.town.accounts:
        client = await api.client(account)
        counts[account] = len((await client.get("/api/v1/alerts?limit=500")).json()["items"])
    everything = len(api.seeded.watches)
    assert counts["admin"] == counts["regulator"] == everything
    assert counts["operator"] == counts["operator2"] == counts["supervisor"] == 14
    assert counts["foreign_operator"] == everything - 14
    assert (counts["responder"], counts["visitor"]) == (0, 0)
    assert counts["family"] == 1


async def test_a_relative_sees_the_alert_but_may_not_take_it(api: RunningApi):
    await api.seeded.press(*api.seeded.watches)
    family = await api.client("family")
    [alert] = (await family.get("/api/v1/alerts")).json()["items"]
    answer = await family.post(f"/api/v1/alerts/{alert['id']}/acknowledge")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_the_whole_way_of_an_alert_over_http(api: RunningApi):
    alert_id = await opened(api)
    operator, second = await api.client("operator"), await api.client("operator2")

    async def act(client: httpx.AsyncClient, action: Action) -> dict[str, Any]:
        answer = await client.post(f"/api/v1/alerts/{alert_id}/{action.value}", json=BODIES[action])
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        AlertObject.model_validate(found)
        return found

    taken = await act(operator, Action.ACKNOWLEDGE)
    assert taken["status"] == "acknowledged"
    assert taken["owner"]["name"] == "坐席 1"
    again = await operator.post(f"/api/v1/alerts/{alert_id}/acknowledge")  # no body at all, and the same holder
    assert (again.status_code, again.json()["version"]) == (200, taken["version"])
    held = await second.post(f"/api/v1/alerts/{alert_id}/acknowledge")
    assert (held.status_code, held.json()["code"], held.json()["held_by"]) == (409, "alert-held", "坐席 1")
    assert held.json()["since"] == taken["owner"]["since"]
    assert held.headers["content-type"] == "application/problem+json"
    assert (await act(second, Action.ASSIST))["owner"]["name"] == "坐席 1"
    for action, status in (
        (Action.CALL, "verifying"),
        (Action.VERIFY, "verifying"),
        (Action.DISPATCH, "dispatched"),
        (Action.ARRIVE, "on_scene"),
        (Action.NOTE, "on_scene"),
        (Action.RESOLVE, "resolved"),
        (Action.CLOSE, "closed"),
        (Action.REOPEN, "open"),
    ):
        assert (await act(operator, action))["status"] == status, action
    timeline = (await operator.get(f"/api/v1/alerts/{alert_id}")).json()["timeline"]
    assert [entry["type"].removeprefix("alert.") for entry in timeline] == [
        "opened", "acknowledged", "assisted", "called", "verified", "dispatched", "arrived", "noted", "resolved",
        "closed", "reopened",
    ]  # fmt: skip
    assert [entry["seq"] for entry in timeline] == sorted(entry["seq"] for entry in timeline)
    assert [entry["actor"]["name"] for entry in timeline[:3]] == [None, "坐席 1", "坐席 2"]


async def test_a_wrong_status_is_a_conflict_and_a_wrong_body_is_422(api: RunningApi):
    alert_id = await opened(api)
    client = await api.client("operator")
    early = await client.post(f"/api/v1/alerts/{alert_id}/close", json=BODIES[Action.CLOSE])
    assert (early.status_code, early.json()["code"]) == (409, "wrong-status")
    await client.post(f"/api/v1/alerts/{alert_id}/acknowledge")
    for action, body, field in (
        ("verify", {}, "result"),
        ("verify", {"result": "perhaps"}, "result"),
        ("call", {"result": "no_answer"}, "party"),
        ("note", {"text": "   "}, "text"),
        ("note", {"text": "a\x00b"}, "text"),
        ("dispatch", {"service": "911"}, "service"),
        ("note", "text", "body"),
    ):
        answer = await client.post(f"/api/v1/alerts/{alert_id}/{action}", json=body)
        assert answer.status_code == 422, (action, body, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    both = await client.post(
        f"/api/v1/alerts/{alert_id}/dispatch", json={"service": "120", "responder_id": str(uuid4())}
    )
    assert both.status_code == 422
    assert (await client.post(f"/api/v1/alerts/{alert_id}/dance")).status_code == 404
    assert (await client.post("/api/v1/alerts/not-an-id/acknowledge")).status_code == 422


async def test_of_two_operators_who_press_at_once_one_gets_the_alert(api: RunningApi):
    alert_id = await opened(api)
    clients = [await api.client("operator"), await api.client("operator2")]
    answers = await asyncio.gather(*(c.post(f"/api/v1/alerts/{alert_id}/acknowledge") for c in clients))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_the_same_key_gives_the_same_answer_and_is_carried_out_once(api: RunningApi):
    alert_id = await opened(api)
    client = await api.client("operator")
    path = f"/api/v1/alerts/{alert_id}/note"
    key = {"Idempotency-Key": "note-1"}
    first = await client.post(path, json={"text": "once"}, headers=key)
    replayed = await client.post(path, json={"text": "once"}, headers=key)
    assert (replayed.status_code, replayed.content) == (first.status_code, first.content)
    assert (first.headers.get("idempotency-replayed"), replayed.headers["idempotency-replayed"]) == (None, "true")
    other = await client.post(path, json={"text": "twice"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    notes = await api.seeded.fetch("SELECT 1 FROM alert_event WHERE type = 'alert.noted'")
    assert len(notes) == 1
    second = await client.post(path, json={"text": "twice"}, headers={"Idempotency-Key": "note-2"})
    assert second.json()["version"] == first.json()["version"] + 1
    wrong = await client.post(path, json={"text": "x"}, headers={"Idempotency-Key": "k" * 256})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


async def test_a_key_counts_for_one_account_and_for_one_day(api: RunningApi):
    alert_id = await opened(api)
    path, key = f"/api/v1/alerts/{alert_id}/note", {"Idempotency-Key": "shared"}
    for account in ("operator", "operator2"):
        await (await api.client(account)).post(path, json={"text": account}, headers=key)
    await api.seeded.run("UPDATE idempotency SET created_at = created_at - interval '25 hours'")
    await (await api.client("operator")).post(path, json={"text": "another day"}, headers=key)
    notes = await api.seeded.fetch("SELECT detail->>'text' FROM alert_event WHERE type = 'alert.noted' ORDER BY seq")
    assert [text for (text,) in notes] == ["operator", "operator2", "another day"]


async def test_the_same_key_from_twenty_clients_at_once_is_carried_out_once(api: RunningApi):
    alert_id = await opened(api)
    client = await api.client("operator")
    path, key = f"/api/v1/alerts/{alert_id}/note", {"Idempotency-Key": "storm"}
    answers = await asyncio.gather(*(client.post(path, json={"text": "once"}, headers=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 409)
    assert len(await api.seeded.fetch("SELECT 1 FROM alert_event WHERE type = 'alert.noted'")) == 1


async def test_a_refused_request_leaves_its_key_free(api: RunningApi):
    alert_id = await opened(api)
    client = await api.client("operator")
    path, key = f"/api/v1/alerts/{alert_id}/verify", {"Idempotency-Key": "verify-1"}
    assert (await client.post(path, json={"result": "real"}, headers=key)).status_code == 409
    await client.post(f"/api/v1/alerts/{alert_id}/acknowledge")
    assert (await client.post(path, json={"result": "real"}, headers=key)).status_code == 200


async def test_stored_answers_are_not_readable_in_the_database(api: RunningApi):
    alert_id = await opened(api)
    client = await api.client("operator")
    await client.post(f"/api/v1/alerts/{alert_id}/note", json={"text": "x"}, headers={"Idempotency-Key": "k"})
    [(stored,)] = await api.seeded.fetch("SELECT response FROM idempotency")
    assert alert_id.encode() not in bytes(stored)


async def test_the_answer_is_sent_after_the_commit(api: RunningApi):
    alert_id = await opened(api)
    client = await api.client("operator")
    answer = await client.post(f"/api/v1/alerts/{alert_id}/acknowledge")
    rows = await api.seeded.fetch("SELECT version FROM alert WHERE id = %s", alert_id)
    assert rows == [(answer.json()["version"],)]


async def test_readiness_tells_broker_and_engine_apart_and_metrics_count_by_template(api: RunningApi):
    client = await api.client("operator")
    assert (await client.get("/healthz")).json() == {"alive": True}
    await client.get(f"/api/v1/alerts/{uuid4()}")
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] == "ok"
    assert "never" in ready.json()["checks"]["engine"]
    assert ready.json()["checks"]["broker"] != "ok"
    await api.seeded.run("INSERT INTO component_pulse (component, at) VALUES ('engine-1', now())")
    assert (await client.get("/readyz")).json()["checks"]["engine"] == "ok"
    metrics = (await client.get("/metrics")).text
    assert 'route="/api/v1/alerts/{alert_id}",status="404"' in metrics


async def test_when_every_database_connection_is_cut_the_answer_is_503_at_worst(api: RunningApi):
    client = await api.client("operator")
    await api.seeded.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    answer = await client.get("/api/v1/alerts")
    assert answer.status_code in (200, 503)
    assert "Traceback" not in answer.text
    assert (await client.get("/api/v1/alerts")).status_code == 200
