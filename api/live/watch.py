"""Who may no longer be connected, and who sits where: one look at the database for all sockets of this process.

Closes with 4403 when roles, scope or links changed, 4401 when the session was ended, the account disabled or the
token ran out. While the database does not answer nothing is closed: nobody could renew a token then, and a dark
console is worse than an old permission (design 6).
"""

import asyncio
import logging
from datetime import datetime, timedelta

import psycopg
from psycopg_pool import PoolTimeout

from api import store
from api.live.connection import LiveConnection
from api.live.frames import Close
from api.live.hub import LiveHub
from core.runtime.clock import Now
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable, transaction

log = logging.getLogger(__name__)

LOOK_WAIT_S = 5.0  # a half-open connection answers nothing and fails nowhere
SEAT_REFRESH = timedelta(seconds=10)
# A seat outlives its socket: "last seen" is what tells a holder who reloads a page from one who is gone for 45 s.
SEAT_KEPT = timedelta(hours=1)


class AccessWatch:
    def __init__(self, pool: Pool, hub: LiveHub, now: Now) -> None:
        self._pool = pool
        self._hub = hub
        self._now = now

    async def run(self, stop: asyncio.Event, pause_s: float) -> None:
        """A look each `pause_s` until `stop`."""
        while not await wait_or_stop(stop, pause_s):
            try:
                async with asyncio.timeout(LOOK_WAIT_S):
                    await self.look()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                if not (isinstance(error, PoolTimeout) or is_retryable(error)):
                    raise
                log.warning("access not checked", extra={"action": "live.watch_failed", "error": type(error).__name__})

    async def look(self) -> None:
        connections = list(self._hub.connections)
        if not connections:
            return
        now = self._now()
        async with transaction(self._pool) as conn:
            marks = await store.access_marks(conn, {c.account_id for c in connections}, now)
            revoked = await store.revoked_sessions(conn, {c.token.session_id for c in connections})
            due = [c for c in connections if _seat_due(c, now)]
            if due:
                rows = [store.SeatRow(c.id, c.account_id, *c.seat) for c in due]
                for connection in due:  # before the write: what a console says meanwhile is due again
                    connection.seat_written_at = now
                await store.upsert_seats(conn, rows, now)
            await store.delete_old_seats(conn, now - SEAT_KEPT)
        for connection in connections:
            mark = marks.get(connection.account_id)
            if mark is None or connection.token.session_id in revoked:
                connection.close(Close.TOKEN, "session-ended")
            elif mark != connection.mark:
                connection.close(Close.SCOPE, "scope-changed")
            elif connection.token.expires_at <= now:
                connection.close(Close.TOKEN, "token-expired")


def _seat_due(connection: LiveConnection, now: datetime) -> bool:
    written = connection.seat_written_at
    return not connection.is_closing and (written is None or now - written >= SEAT_REFRESH)
