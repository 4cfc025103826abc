"""The write limit: bare COPY of the same rows into the same kind of table, in batches of the platform's size."""

import asyncio
import time

import psycopg

_BATCH = 2000
_MOST_ROWS = 500_000  # which are in memory at once; a second to copy more of them changes nothing
_CREATE = (
    "CREATE TABLE bench_copy_reading (LIKE reading INCLUDING DEFAULTS)",
    "SELECT create_hypertable('bench_copy_reading', 'at', chunk_time_interval => INTERVAL '1 day',"
    " create_default_indexes => false)",
    "CREATE INDEX ON bench_copy_reading (device_no, metric, at DESC)",
)


async def copied_rows_per_s(database_url: str) -> float:
    """Rows a second that COPY commits, one commit a batch, for the readings the town holds, or so many of them."""
    return await asyncio.to_thread(_copied, database_url)


def _copied(database_url: str) -> float:
    with psycopg.connect(database_url, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT device_no, metric, at, value, suspect FROM reading LIMIT %s", (_MOST_ROWS,)
        ).fetchall()
        for statement in _CREATE:
            conn.execute(statement.encode())
        began = time.monotonic()
        for start in range(0, len(rows), _BATCH):
            with (
                conn.transaction(),
                conn.cursor() as cursor,
                cursor.copy(
                    "COPY bench_copy_reading (device_no, metric, at, value, suspect) FROM STDIN (FORMAT BINARY)"
                ) as copy,
            ):
                copy.set_types(["int4", "int2", "timestamptz", "float8", "bool"])
                for row in rows[start : start + _BATCH]:
                    copy.write_row(row)
        took = time.monotonic() - began
        conn.execute("DROP TABLE bench_copy_reading")
    return len(rows) / took
