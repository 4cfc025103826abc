"""Rows as dictionaries, from named statements."""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg.rows import dict_row

from core.store.pool import Connection

Row = dict[str, Any]


async def fetch_all(conn: Connection, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql, params)
        return await cursor.fetchall()


async def fetch_one(conn: Connection, sql: str, params: Mapping[str, Any] | None = None) -> Row | None:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql, params)
        return await cursor.fetchone()


async def write_all(conn: Connection, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """The same statement for many rows, sent as one pipeline instead of one round trip each."""
    async with conn.cursor() as cursor:
        await cursor.executemany(sql, list(rows))
