"""The emergency path of one API process: a session on the alarm lane, one loop, and what reaches the consoles."""

import asyncio
import logging
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from alerts.feed import AlertFeed
from alerts.store import FeedEvent
from alerts.vocabulary import EventKind
from api import store
from api.alert_access import actor_of, alert_reader
from api.emergency.accounts import RememberedScopes
from api.emergency.carry_out import Debt, Debts
from api.emergency.hearing import CryKey, Heard, heard_in
from api.emergency.inbox import Inbox
from api.emergency.provisional import Json, Provisional
from api.emergency.pulse import DatabasePulse
from api.emergency.watch import EmergencyWatch, Match, Stored
from api.metrics import ALARMS_HEARD, DATABASE_AWAY, PROVISIONAL, PROVISIONAL_DELAY, PROVISIONAL_LIVE
from api.settings import ApiSettings
from core.contract.event_time import micros
from core.contract.keys import CopyCounter
from core.contract.topics import ALARM_FILTER
from core.errors import NotFound
from core.runtime.clock import Now
from core.runtime.crypto import Keyring
from core.runtime.mqtt import Message, MqttSession, Subscription, parse_broker_url
from core.runtime.patience import at_most
from core.store.pool import Pool, is_retryable
from registry.access import Scope
from registry.scope_map import ScopeMapCache

log = logging.getLogger(__name__)

_RINGS = frozenset({EventKind.OPENED.value, EventKind.PRESSED.value, EventKind.PENDING.value, EventKind.UPGRADED.value})
_ASK_WAIT_S = 0.4  # with the wait of a second: within two seconds on the console
_TICK_S = 0.25
_LOOK_BACK_S = 5.0
_MESSAGES_AT_ONCE = 50
_RECEIVE_MAXIMUM = 1000


class Consoles(Protocol):
    """The sockets of this process."""

    def tell(self, provisional: Provisional, data: Json, now: datetime) -> None:
        """A provisional alert as it stands now, to everybody who sees it."""

    def end(self, provisional: Provisional, data: Json, now: datetime) -> None:
        """Its last word, to everybody who was told of it."""

    def beat_now(self) -> None:
        """A heartbeat at once: it says whether the database answers."""


class EmergencyPath:
    """`run` once; `saw` with every alert event, before it is published. Never raises for a fault of the database."""

    def __init__(
        self, settings: ApiSettings, pool: Pool, live_pool: Pool, keyring: Keyring, now: Now, consoles: Consoles
    ) -> None:
        self.pulse = DatabasePulse()
        self.scopes = RememberedScopes(timedelta(seconds=settings.access_token_seconds))
        self.places = ScopeMapCache(live_pool, now, refresh_s=settings.emergency_map_refresh_seconds)
        self.watch = EmergencyWatch(settings.emergency_wait_ms / 1000)
        self.debts = Debts(pool, now)
        self._settings, self._live_pool, self._keyring = settings, live_pool, keyring
        self._now, self._consoles = now, consoles
        self._copies = CopyCounter(micros(now()))
        self._inbox = Inbox()
        self._flooded = False
        self._news = asyncio.Event()
        self._looked_back = 0.0
        self._twice: set[CryKey] = set()
        broker = parse_broker_url(settings.mqtt_url.get_secret_value(), ca_file=settings.mqtt_ca_file)
        self.session = MqttSession(
            broker,
            # Of this process alone, and forgotten with it: ingest is who must not miss a message.
            client_id=f"api-emergency-{os.getpid()}-{secrets.token_hex(4)}",
            on_messages=self._receive,
            receive_maximum=_RECEIVE_MAXIMUM,
            keep_alive_s=settings.mqtt_keep_alive_seconds,
            clock=lambda: now().timestamp(),
        )

    @property
    def degraded(self) -> bool:
        """Whether the database does not answer."""
        return self.pulse.away

    # --- the loop

    async def run(self, stop: asyncio.Event, feed: AlertFeed) -> None:
        """Until `stop`. Raises what a handler of the session raised: deaf is worse than gone."""
        self.pulse.feed = feed
        loop = asyncio.get_running_loop()
        async with self.session as session:
            await session.subscribe([Subscription(ALARM_FILTER)])
            while not stop.is_set():
                if session.fatal.done():
                    await session.fatal
                await self._hear()
                self._look()
                if due := self.watch.due(loop.time(), away=self.degraded):
                    await self._settle(due)
                await self._look_back()
                await self._next(loop)

    def _receive(self, messages: list[Message]) -> None:
        at = asyncio.get_running_loop().time()
        over = self._inbox.put(messages, at)
        self._news.set()
        if over:
            self._read(over)
        if over and not self._flooded:
            self._flooded = True
            log.error(
                "more alarms come than are read in turn: they are read as they come, and the broker has to wait",
                extra={"action": "emergency.flooded", "waiting": len(self._inbox)},
            )

    async def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a message or the next time something is due."""
        due = self.watch.next_due()
        pause = _TICK_S if due is None else min(_TICK_S, max(0.0, due - loop.time()))
        if not self._inbox:
            self._news.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _hear(self) -> None:
        """Read what has come, a little at a time: requests and frames go on in between.

        What comes meanwhile has its turn after those that are due: a flood must not keep anybody's cry from ringing.
        """
        left = len(self._inbox)
        while left > 0 and (taken := self._inbox.take(min(_MESSAGES_AT_ONCE, left))):
            left -= len(taken)
            self._read(taken)
            await asyncio.sleep(0)
        self._flooded = self._flooded and len(self._inbox) > 0

    def _read(self, taken: Sequence[tuple[Message, float]]) -> None:
        for message, at in taken:
            if message.retain:
                continue  # a stored message replayed by the broker is no event of now
            received = int(message.received_at * 1e6)
            for heard in heard_in(message.topic, message.payload, received, self.places.current, self._copies):
                ALARMS_HEARD.inc()
                self.watch.heard(heard, at)
        self.session.ack([message for message, _ in taken])

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if not self.pulse.look(loop.time(), self._now(), self._settings.live_poll_seconds):
            return
        DATABASE_AWAY.set(self.degraded)
        if self.degraded:
            log.error("the database does not answer; new emergencies still ring", extra={"action": "emergency.away"})
        else:
            log.warning("the database answers again", extra={"action": "emergency.back"})
        self._consoles.beat_now()

    async def _settle(self, due: Sequence[Heard]) -> None:
        """Ring what is due and not stored. No answer in time counts as not stored."""
        stored = set() if self.degraded else await self._stored(due)
        now = self._now()
        for provisional in self.watch.settle(stored, asyncio.get_running_loop().time(), now):
            self._tell(provisional, now)
            PROVISIONAL.labels("raised").inc()
            newest = next(reversed(provisional.unstored.values()))[0]
            delay = (now - newest.hit.occurrence.received_at).total_seconds()
            PROVISIONAL_DELAY.observe(max(0.0, delay))
            log.warning(
                "an emergency rings that is not stored",
                extra={
                    "action": "emergency.provisional",
                    "provisional_id": str(provisional.id),
                    "device_id": newest.hit.occurrence.device_id,
                    "rule": provisional.alert.rule,
                },
            )
        PROVISIONAL_LIVE.set(len(self.watch.live))

    async def _stored(self, heard: Sequence[Heard]) -> set[CryKey]:
        """Those that the database holds; none when it does not answer at once."""
        wanted = {(each.key_scope, each.hit.occurrence.key): each.key for each in heard}
        try:
            found = await at_most(_ASK_WAIT_S, self._ask(list(wanted)))
        except (psycopg.Error, PoolTimeout, OSError) as error:
            if not (isinstance(error, PoolTimeout) or is_retryable(error)):
                raise
            return set()
        return {each.key for each in heard if (each.key_scope, each.hit.occurrence.key) in found}

    async def _ask(self, keys: list[tuple[int, bytes]]) -> set[tuple[int, bytes]]:
        async with self._live_pool.connection(timeout=_ASK_WAIT_S) as conn:
            return await store.stored_keys(conn, keys)

    async def _look_back(self) -> None:
        """Now and then: end what was stored before it rang (a message sent again), and what never will be."""
        at = asyncio.get_running_loop().time()
        if self.degraded or not self.watch.live or at - self._looked_back < _LOOK_BACK_S:
            return
        self._looked_back = at
        stored = await self._stored(self.watch.unstored())
        # Twice in a row: the alert event of what was stored this moment is still on its way.
        certain, self._twice = stored & self._twice, stored
        now = self._now()
        for provisional in self.watch.found_stored(certain):
            self._end(provisional, now, "already_stored", stored=True)
        for provisional in self.watch.expire(at - self._settings.emergency_kept_seconds):
            log.error(
                "a provisional alert was never stored and is shown no longer",
                extra={"action": "emergency.unmatched", "provisional_id": str(provisional.id)},
            )
            self._end(provisional, now, "never_stored", stored=False)

    def _end(self, provisional: Provisional, now: datetime, code: str, *, stored: bool) -> None:
        PROVISIONAL.labels("already_stored" if stored else "unmatched").inc()
        PROVISIONAL_LIVE.set(len(self.watch.live))
        self._consoles.end(provisional, self._named(provisional, provisional.ended(now, code, stored=stored)), now)

    # --- what others tell and ask

    def saw(self, event: FeedEvent) -> Match | None:
        """An alert event that is about to be published; the provisional alert it ends, if it does."""
        stored = stored_cry(event)
        match = self.watch.saw(stored) if stored is not None else None
        if match is None or stored is None:
            return None
        PROVISIONAL.labels("matched").inc()
        PROVISIONAL_LIVE.set(len(self.watch.live))
        provisional, claim = match.provisional, match.provisional.claim
        log.info(
            "a provisional alert is stored",
            extra={
                "action": "emergency.matched",
                "provisional_id": str(provisional.id),
                "alert_id": str(stored.alert_id),
            },
        )
        if claim is not None:
            provisional.claim = None
            self.debts.owe(Debt(stored.alert_id, provisional.id, claim))
        return match

    def provisional_id_of(self, event: FeedEvent) -> UUID | None:
        """The id by which consoles may have heard of this event before it was stored."""
        stored = stored_cry(event)
        return None if stored is None else self.watch.id_of(stored.key)

    def ended(self, provisional: Provisional) -> Json:
        """Its last word to a screen that will not hear of the stored alert."""
        return self._named(provisional, provisional.ended(self._now(), "stored", stored=True))

    def current(self, provisional: Provisional) -> Json:
        return self._named(provisional, provisional.as_contract(self._now()))

    def acknowledge(self, provisional: Provisional, scope: Scope) -> Json:
        """Take it here and now; carried out in the caller's name once it is stored. Raises what acting on any alert
        raises, NotFound first."""
        alert, now = provisional.alert, self._now()
        if not alert_reader(scope).sees(alert.centre_id, alert.region_code, alert.elder_ids, view="alerts"):
            raise NotFound("There is no such alert.")
        provisional.acknowledge(actor_of(scope), now)
        log.warning(
            "a provisional alert was acknowledged",
            extra={
                "action": "emergency.acknowledged",
                "provisional_id": str(provisional.id),
                "account_id": str(scope.account_id),
            },
        )
        self._tell(provisional, now)
        return self.current(provisional)

    def _tell(self, provisional: Provisional, now: datetime) -> None:
        self._consoles.tell(provisional, self._named(provisional, provisional.as_contract(now)), now)

    def _named(self, provisional: Provisional, data: Json) -> Json:
        return self.labelled(data, provisional.alert.elder_ids)

    def labelled(self, data: Json, elder_ids: Sequence[UUID]) -> Json:
        """An alert with masked names from memory; it is never held back for them."""
        elder = data["elder_id"]
        try:
            labels = [self._label(id) for id in ((UUID(elder),) if elder else elder_ids)]
        except Exception as error:
            log.error(  # noqa: TRY400 - the sentence is enough, and a traceback would quote cipher text
                "labels cannot be read", extra={"action": "labels.unreadable", "error": type(error).__name__}
            )
            labels = []
        known = [label for label in labels if label is not None]
        if elder is not None:
            return {**data, "elder": known[0] if known else None, "residents": []}
        return {**data, "elder": None, "residents": known}

    def _label(self, id: UUID) -> Json | None:
        label = self.places.current.label(self._keyring, id)
        if label is None:
            return None
        return {"id": str(id), "name_masked": label.name_masked, "building": label.building, "elder_no": label.elder_no}


def stored_cry(event: FeedEvent) -> Stored | None:
    """The cry an alert event tells of; None for what people, clocks and good news do."""
    detail = event.detail
    if event.type not in _RINGS or not detail.get("key"):
        return None
    key = (str(detail["device_id"]), str(detail["key"]), str(detail["type"]))
    return Stored(key, datetime.fromisoformat(str(detail["received_at"])), UUID(str(event.alert["id"])))
