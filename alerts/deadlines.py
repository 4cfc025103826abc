"""Alerts whose confirm window ran out: nobody said that all is well, so they ring."""

from datetime import datetime

from alerts import ledger
from alerts.signals import unanswered
from core.store.pool import Pool, transaction

CLAIM = 100


async def open_unanswered(pool: Pool, now: datetime) -> int:
    """Open what is due, at most 100 in one transaction; returns how many. Engines side by side share the work."""
    async with transaction(pool) as conn:
        due = await ledger.claim_unanswered(conn, now, CLAIM)
        return len(await ledger.write_changes(conn, [unanswered(alert, now) for alert in due], now))
