"""The application without a server behind it: what every answer has in common, and the rules of its routes."""

import ast
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from api.access import current_caller
from api.app import create_app
from api.idempotency import claim_key
from tests.fixtures.api_server import api_settings

# Routes that take no caller, each for its reason.
PUBLIC = {
    "/healthz": "an orchestrator has no account",
    "/readyz": "an orchestrator has no account",
    "/metrics": "Prometheus has no account; it holds counts only",
    "/plain": "markup without data; it signs in itself",
    "/plain/{name}": "markup without data",
    "/api/v1/docs": "documentation",
    "/api/v1/openapi.json": "documentation",
    "/api/v1/auth/token": "this is how a caller comes to be",
    "/api/v1/auth/refresh": "the refresh token is the proof",
    "/api/v1/auth/logout": "the refresh token is the proof",
    "/api/v1/live": "the token may come as the first message; see tests/integration/test_api_live.py",
}
NO_KEY = {"/api/v1/auth/token", "/api/v1/auth/refresh", "/api/v1/auth/logout"}


@pytest.fixture
def app() -> FastAPI:
    return create_app(api_settings())


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


def calls_of(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from calls_of(each)


def routes(app: FastAPI) -> Iterator[tuple[str, set[str], set[object]]]:
    """(path, methods, everything it depends on) of every route there is."""
    for found in iter_route_contexts(app.routes):
        route = found.original_route if hasattr(found, "original_route") else found.route
        dependant = getattr(route, "dependant", None)
        depends = set(calls_of(dependant)) if dependant is not None else set()
        yield str(getattr(route, "path", "")), set(getattr(route, "methods", None) or {"WEBSOCKET"}), depends


def test_every_route_takes_the_callers_scope_or_is_public_for_a_reason(app: FastAPI):
    seen = {path: depends for path, _, depends in routes(app)}
    assert "/api/v1/alerts/{alert_id}/acknowledge" in seen  # the walk reaches included routes
    without = {path for path, depends in seen.items() if current_caller not in depends}
    assert without - PUBLIC.keys() == set()
    assert PUBLIC.keys() - seen.keys() == set()  # and the list names nothing that is gone


def test_every_post_takes_an_idempotency_key_or_is_excluded_for_a_reason(app: FastAPI):
    posts = {path: depends for path, methods, depends in routes(app) if "POST" in methods}
    assert len(posts) > len(NO_KEY)
    assert {path for path, depends in posts.items() if claim_key not in depends} == NO_KEY


def test_no_module_of_the_api_runs_sql_but_a_store():
    """`.execute(`, `.executemany(` and `.copy(` belong into a store.py; everything else goes through functions."""
    root = Path(__file__).parents[3] / "api"
    runs = set()
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in {"execute", "executemany", "copy"}:
                runs.add(file.relative_to(root).as_posix())
    assert "store.py" in runs
    assert {file for file in runs if not file.endswith("store.py")} == set()


async def test_an_unknown_address_and_a_wrong_method_are_problem_documents(client: httpx.AsyncClient):
    missing = await client.get("/api/v1/nothing", headers={"Accept-Language": "en"})
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert missing.json()["type"].endswith("/not-found")
    wrong = await client.put("/api/v1/me")
    assert wrong.status_code == 405
    assert wrong.json()["code"] == "method-not-allowed"
    assert "GET" in wrong.headers["allow"]


async def test_problems_are_chinese_unless_english_is_asked_for(client: httpx.AsyncClient):
    chinese = (await client.get("/api/v1/nothing")).json()
    english = (await client.get("/api/v1/nothing", headers={"Accept-Language": "en-GB"})).json()
    assert chinese["title"] == "找不到"
    assert english["title"] == "Not found"


async def test_a_body_above_the_limit_is_413_whether_declared_or_not(client: httpx.AsyncClient):
    limit = api_settings().request_body_max_bytes
    declared = await client.post("/api/v1/auth/refresh", content=b"x" * (limit + 1))
    assert (declared.status_code, declared.json()["code"]) == (413, "body-too-large")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(limit // 1024 + 1):
            yield b"x" * 1024

    undeclared = await client.post(
        "/api/v1/auth/refresh", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert (undeclared.status_code, undeclared.json()["code"]) == (413, "body-too-large")


async def test_every_answer_has_an_id_and_the_security_headers(client: httpx.AsyncClient):
    for path in ("/healthz", "/api/v1/nothing", "/api/v1/docs"):
        answer = await client.get(path)
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
    given = await client.get("/healthz", headers={"X-Request-Id": "abcdefgh-12345678"})
    assert given.headers["x-request-id"] == "abcdefgh-12345678"
    forged = await client.get("/healthz", headers={"X-Request-Id": "a b\tc <script>"})
    assert forged.headers["x-request-id"] != "a b\tc <script>"


async def test_a_failure_nobody_expected_shows_a_reference_and_nothing_else(app: FastAPI):
    @app.get("/api/v1/broken")
    async def broken() -> None:
        raise RuntimeError("a secret 张小芳")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        answer = await client.get("/api/v1/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["reference"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_log_line_of_a_request_holds_no_query(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", logger="api")
    await client.get("/api/v1/nothing?q=张小芳")
    lines = [record for record in caplog.records if getattr(record, "action", "") == "http.request"]
    assert len(lines) == 1
    assert "张小芳" not in str(vars(lines[0]))


async def test_malformed_json_is_422_with_errors_in_both_languages(client: httpx.AsyncClient, app: FastAPI):
    for language, words in (("zh-CN", "JSON"), ("en", "not valid JSON")):
        answer = await client.post(
            "/api/v1/auth/refresh",
            content=b"{",
            headers={"Content-Type": "application/json", "Accept-Language": language},
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["rule"] == "json_invalid"
        assert words in answer.json()["errors"][0]["message"]


async def test_the_documents_load_nothing_from_elsewhere(client: httpx.AsyncClient):
    document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    page = (await client.get("/api/v1/docs")).text
    assert "/api/v1/alerts/{alert_id}/acknowledge" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_every_call_of_the_document_has_a_summary_and_a_description_of_its_answer(app: FastAPI):
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            assert operation.get("summary"), (method, path)
            assert operation["responses"], (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"], (method, path)


def test_every_reference_of_the_document_leads_somewhere(app: FastAPI):
    text = json.dumps(app.openapi())
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert "ProblemDocument" in named
    assert named <= app.openapi()["components"]["schemas"].keys()
    assert "HTTPValidationError" not in text
