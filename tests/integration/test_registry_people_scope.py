"""The scope predicate exists twice, in SQL and in Python; this holds them equal."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.store.pool import Connection
from registry.access import Scope, build_scope, scope_sql

pytestmark = pytest.mark.integration

CENTRES = (UUID(int=1), UUID(int=2))
REGIONS = ("990102100001", "990102200001", "990000000000", "991000000000")
ELDERS = (UUID(int=11), UUID(int=12))
ROWS = [
    (centre, region, [elder for elder, there in zip(ELDERS, lives, strict=True) if there])
    for centre, region, lives in product(CENTRES, REGIONS, product((False, True), repeat=2))
]
ACCOUNT = {"id": UUID(int=9), "username": "u", "display_name": "u", "locale": "en", "scope_version": 1}
ROLES: list[tuple[dict[str, Any], ...]] = [
    (),
    ({"role": "admin"},),
    ({"role": "operator", "centre_id": CENTRES[0]},),
    ({"role": "shift_supervisor", "centre_id": CENTRES[1]}, {"role": "visitor", "centre_id": CENTRES[0]}),
    ({"role": "responder", "centre_id": CENTRES[0]},),
    ({"role": "regulator", "region_code": "990000000000"},),
    ({"role": "regulator", "region_code": "990102200000"}, {"role": "operator", "centre_id": CENTRES[0]}),
    ({"role": "family_member"},),
    ({"role": "family_member"}, {"role": "regulator", "region_code": "991000000000"}),
]
LINKS = [(), ({"elder_id": ELDERS[0], "can_view": ["alerts"]}, {"elder_id": ELDERS[1], "can_view": ["vitals"]})]


@pytest.fixture
async def conn(database: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as made:
        yield made


def scope_of(roles: tuple[dict[str, Any], ...], links: tuple[dict[str, Any], ...]) -> Scope:
    return build_scope(ACCOUNT, [{"centre_id": None, "region_code": None, **role} for role in roles], links)


@pytest.mark.parametrize("view", [None, "alerts", "vitals"])
async def test_the_predicate_in_sql_shows_exactly_the_rows_that_python_sees(conn: Connection, view: str | None):
    values = ", ".join(["(%s::int, %s::uuid, %s::char(12), %s::uuid[])"] * len(ROWS))
    params: list[Any] = [part for number, row in enumerate(ROWS) for part in (number, *row)]
    await conn.execute("CREATE TEMP TABLE place (no int, centre_id uuid, region_code char(12), elder_ids uuid[])")
    await conn.execute(f"INSERT INTO place VALUES {values}", params)
    statement = f"SELECT no FROM place WHERE {scope_sql('centre_id', 'region_code', 'elder_ids[]')} ORDER BY no"
    shown_at_all = 0
    for roles, links in product(ROLES, LINKS):
        scope = scope_of(roles, links)
        expected = [no for no, row in enumerate(ROWS) if scope.sees(*row, view=view)]
        cursor = await conn.execute(statement, scope.sql_params(view=view))
        assert [row[0] for row in await cursor.fetchall()] == expected, (roles, links)
        shown_at_all += len(expected)
    assert 0 < shown_at_all < len(ROWS) * len(ROLES) * len(LINKS)
