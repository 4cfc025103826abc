"""Signing in, staying signed in, and being signed out, on the real database and a real server."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from tests.fixtures.api_server import RunningApi

pytestmark = pytest.mark.integration


async def test_me_says_roles_scopes_and_permissions(api: RunningApi):
    client = await api.client("operator")
    me = (await client.get("/api/v1/me")).json()
    assert me["roles"] == ["operator"]
    assert "alerts.act" in me["permissions"]
    assert len(me["scopes"]["centre_ids"]) == 1
    assert (me["username"], me["scopes"]["everything"]) == ("operator", False)
    assert (await (await api.client("admin")).get("/api/v1/me")).json()["scopes"]["everything"] is True


async def test_without_a_token_with_a_wrong_one_and_with_an_old_one_the_answer_is_401(api: RunningApi):
    client = await api.client()
    missing = await client.get("/api/v1/alerts")
    assert (missing.status_code, missing.json()["code"]) == (401, "token-missing")
    assert missing.headers["www-authenticate"].startswith("Bearer")
    wrong = await client.get("/api/v1/alerts", headers={"Authorization": "Bearer x.y.z"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "token-invalid")
    signed_in = await api.client("operator")
    api.clock.shift = timedelta(minutes=15)
    old = await signed_in.get("/api/v1/alerts")
    assert (old.status_code, old.json()["code"]) == (401, "token-expired")


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(api: RunningApi):
    client = await api.client()
    wrong = await client.post("/api/v1/auth/token", data={"username": "operator", "password": "wrong"})
    unknown = await client.post("/api/v1/auth/token", data={"username": "nobody", "password": "wrong"})
    volatile = ("reference",)
    assert wrong.status_code == unknown.status_code == 401
    assert {k: v for k, v in wrong.json().items() if k not in volatile} == {
        k: v for k, v in unknown.json().items() if k not in volatile
    }


async def test_a_name_with_a_nul_is_an_unknown_name(api: RunningApi):
    client = await api.client()
    answer = await client.post("/api/v1/auth/token", data={"username": "a\0b", "password": "x"})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (401, "bad-credentials")


async def test_many_failures_slow_down_but_the_right_password_still_gets_in(api: RunningApi):
    client = await api.client()
    guesses = [
        client.post("/api/v1/auth/token", data={"username": "operator", "password": f"guess {n}"}) for n in range(5)
    ]
    assert {answer.status_code for answer in await asyncio.gather(*guesses)} == {401}
    [(failures,)] = await api.seeded.fetch("SELECT failures FROM sign_in_failure")
    assert failures == 5
    await api.sign_in("operator")
    assert await api.seeded.fetch("SELECT failures FROM sign_in_failure") == []


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def test_refreshing_rotates_and_the_previous_token_has_thirty_seconds_of_grace(api: RunningApi):
    first = await api.sign_in("operator")
    client = await api.client()
    second = (await refresh(client, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await refresh(client, first["refresh_token"])).status_code == 200  # the answer may have been lost
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert (await client.get("/api/v1/me", headers=bearer)).status_code == 200


async def test_a_token_used_again_after_its_grace_revokes_the_whole_session(api: RunningApi):
    first = await api.sign_in("operator")
    other = await api.sign_in("operator")
    client = await api.client()
    second = (await refresh(client, first["refresh_token"])).json()
    api.clock.shift = timedelta(seconds=31)
    thief = await refresh(client, first["refresh_token"])
    assert (thief.status_code, thief.json()["code"]) == (401, "refresh-reused")
    assert (await refresh(client, second["refresh_token"])).status_code == 401
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert (await client.get("/api/v1/me", headers=bearer)).json()["code"] == "session-ended"
    assert (await refresh(client, other["refresh_token"])).status_code == 200  # another sign-in is another session


async def test_two_refreshes_at_once_both_succeed_and_a_third_by_a_strange_token_does_not(api: RunningApi):
    tokens = await api.sign_in("operator")
    client = await api.client()
    answers = await asyncio.gather(*(refresh(client, tokens["refresh_token"]) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    strange = await refresh(client, "strange")
    assert (strange.status_code, strange.json()["code"]) == (401, "refresh-invalid")


async def test_signing_out_ends_access_and_refresh_at_once(api: RunningApi):
    tokens = await api.sign_in("operator")
    client = await api.client()
    out = await client.post("/api/v1/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    assert (out.status_code, out.content) == (204, b"")
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert (me.status_code, me.json()["code"]) == (401, "session-ended")
    unknown = await client.post("/api/v1/auth/logout", json={"refresh_token": "never issued"})
    assert unknown.status_code == 204


async def test_a_disabled_account_is_out_with_its_next_request_and_cannot_refresh(api: RunningApi):
    tokens = await api.sign_in("operator")
    client = await api.client()
    await api.seeded.run("UPDATE account SET disabled_at = now() WHERE username = 'operator'")
    me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert (me.status_code, me.json()["code"]) == (401, "session-ended")
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_only_hashes_of_refresh_tokens_are_stored(api: RunningApi):
    tokens = await api.sign_in("operator")
    rows = await api.seeded.fetch("SELECT row_to_json(r)::text FROM refresh_token r")
    assert rows
    assert all(tokens["refresh_token"] not in text for (text,) in rows)


async def test_the_sign_in_form_is_checked(api: RunningApi):
    client = await api.client()
    answer = await client.post("/api/v1/auth/token", data={"username": "operator"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "password"
    nul = await client.post("/api/v1/auth/token", data={"username": "a\x00b", "password": "x"})
    assert nul.status_code in (400, 401)
