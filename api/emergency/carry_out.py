"""What was acknowledged while it could not be written down: done in that person's name once the alert is stored."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from alerts import actions
from alerts.vocabulary import Action
from api.alert_access import actor_of
from api.emergency.provisional import Claim
from core.errors import AnxinError
from core.runtime.clock import Now
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable, transaction_within
from registry.access import load_scope

log = logging.getLogger(__name__)

_RETRY_S = 1.0
_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Debt:
    alert_id: UUID
    provisional_id: UUID
    claim: Claim


class Debts:
    """Acknowledgements to be carried out, in order. The first to come wins, as with any two people.

    Each is tried again until the database takes or refuses it. One whose commit got through although its answer did
    not is done twice by the same person, which changes nothing.
    """

    def __init__(self, pool: Pool, now: Now) -> None:
        self._pool, self._now = pool, now
        self._owed: deque[Debt] = deque()
        self._news = asyncio.Event()

    def owe(self, debt: Debt) -> None:
        self._owed.append(debt)
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._owed:
                self._news.clear()
                await self._news.wait()
            try:
                await self._carry_out(self._owed[0])
            except (psycopg.Error, PoolTimeout, OSError) as error:
                if not (isinstance(error, PoolTimeout) or is_retryable(error)):
                    raise
                log.warning(
                    "an acknowledgement of a provisional alert waits for the database",
                    extra={"action": "emergency.owed", "owed": len(self._owed), "error": type(error).__name__},
                )
                await wait_or_stop(stop, _RETRY_S)
                continue
            self._owed.popleft()

    async def _carry_out(self, debt: Debt) -> None:
        """With the rights the person has now and at the time it was done, which the clocks of the alert count."""
        said = {
            "action": "emergency.carried_out",
            "alert_id": str(debt.alert_id),
            "provisional_id": str(debt.provisional_id),
            "account_id": str(debt.claim.account_id),
        }
        try:
            async with transaction_within(self._pool, _LIMIT_S) as conn:
                scope = await load_scope(conn, debt.claim.account_id, self._now())
                body = {"provisional_id": str(debt.provisional_id)}
                await actions.act(
                    conn, debt.alert_id, Action.ACKNOWLEDGE.value, body, actor_of(scope), now=debt.claim.at
                )
        except AnxinError as refusal:
            log.warning(
                "an acknowledgement of a provisional alert came to nothing: %s",
                refusal,
                extra={**said, "action": "emergency.not_carried_out", "error": type(refusal).__name__},
            )
        else:
            log.info("an acknowledgement of a provisional alert is stored", extra=said)
