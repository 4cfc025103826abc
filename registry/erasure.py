"""Erasure: the data keys of an elder are destroyed, so every copy of the cipher texts, backups too, becomes noise.

What stays is what the law makes the programme keep and what names nobody: the row with its number, region and year
of birth, the alerts and the access log, which know the elder by id only.
"""

import os
from datetime import datetime
from uuid import UUID

from core.errors import NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import access_log, accounts, data_keys
from registry.rows import fetch_all, fetch_one

_FILE = ("registry", "queries_elders.sql")


async def erase(
    conn: Connection,
    elder_id: UUID,
    now: datetime,
    *,
    actor_id: UUID | None = None,
    reason: str | None = None,
    request_id: str | None = None,
) -> bool:
    """Erase for good, in the caller's transaction; False when it was done before. Raises NotFound.

    Takes the contacts' keys with it, the dwelling's when nobody else lives there, and ends family links. The caller
    has checked that `actor_id` may do this.
    """
    queries = load_queries(*_FILE)
    row = await fetch_one(conn, queries["lock_elder"], {"id": elder_id})
    if row is None:
        raise NotFound("There is no such elder.")
    if row["erased"]:
        return False
    keys = [key["id"] for key in await fetch_all(conn, queries["keys_of_elder"], {"id": elder_id})]
    await access_log.record(
        conn, actor_id, "erase", "elder", str(elder_id), ["record", "contacts"], reason, request_id, now
    )
    await data_keys.destroy(conn, keys, now)
    blank = {"id": elder_id, "noise": os.urandom(32), "now": now}
    await conn.execute(queries["blank_elder"], blank)
    await conn.execute(queries["blank_contacts"], blank)
    await accounts.unlink_elder(conn, elder_id, now)
    return True
