"""Compression of old readings where the database's licence allows it: the Apache edition does not.

We run the Apache edition ourselves; the compressed form follows TimescaleDB's documentation and has not been run by us.
"""

import logging
from datetime import datetime, timedelta

import psycopg

from core.store.pool import Connection
from history import store

log = logging.getLogger(__name__)

AT_ONCE = 10


async def allowed(conn: Connection) -> bool:
    """Ask the server by doing it: whether `reading` may be compressed. Says once what the answer is."""
    ((licence,),) = await store.rows(conn, "licence")
    try:
        async with conn.transaction():
            await store.run(conn, "allow_compression")
    except psycopg.errors.FeatureNotSupported as error:
        answer, said = False, str(error).partition("\n")[0]
    else:
        answer, said = True, "allowed"
    log.info(
        "old readings are compressed" if answer else "readings stay uncompressed: this database's licence forbids it",
        extra={"action": "history.compression", "allowed": answer, "licence": licence, "answer": said},
    )
    return answer


async def compress_old(conn: Connection, after_days: int, now: datetime) -> int:
    """Compress some chunks of readings that are older than readings come late; returns how many."""
    before = now - timedelta(days=after_days)
    chunks = await store.rows(conn, "compressible", before=before, limit=AT_ONCE)
    for (chunk,) in chunks:
        async with conn.transaction():
            await conn.execute("SET LOCAL lock_timeout = '3s'")
            await store.rows(conn, "compress", chunk=chunk)
    return len(chunks)
