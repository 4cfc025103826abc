"""Every live socket of this process, and the fan-out of alert events to those whose scope sees them."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from alerts.store import FeedEvent
from api.alert_access import sees
from api.alert_view import AlertViews
from api.emergency.provisional import Json, Provisional
from api.live.connection import LiveConnection
from api.live.frames import Frame, ProvisionalFrame, Signal, alert_frame, provisional_frame
from api.live.mirror import LiveMirror
from api.metrics import FRAME_DELAY, FRAMES, SHOWN_DELAY, SOCKETS
from core.runtime.clock import Now
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable
from registry.access import Scope

log = logging.getLogger(__name__)

LABEL_WAIT_S = 1.0
REMEMBERED = 2000


class LiveHub:
    """`publish` is called with the feed's events one after the other, so every socket gets them in one order."""

    def __init__(self, pool: Pool, views: AlertViews, now: Now) -> None:
        self.connections: set[LiveConnection] = set()
        self._pool = pool
        self._views = views
        self._now = now
        self.mirror = LiveMirror()
        self.provisional_id_of: Callable[[FeedEvent], UUID | None] = lambda _event: None
        self._event_at: OrderedDict[int, datetime] = OrderedDict()

    def join(self, connection: LiveConnection) -> None:
        """From now on the connection's queue fills. Join before reading the snapshot: so nothing falls between."""
        self.connections.add(connection)
        SOCKETS.set(len(self.connections))

    def leave(self, connection: LiveConnection) -> None:
        self.connections.discard(connection)
        SOCKETS.set(len(self.connections))

    async def publish(self, event: FeedEvent, ended: ProvisionalFrame | None = None) -> None:
        """`ended`: the last word about the provisional alert that the event's cry rang as before it was stored."""
        self.mirror.follow(event)
        receivers = [connection for connection in self.connections if sees(connection.scope, event)]
        self._event_at[event.seq] = event.at
        if len(self._event_at) > REMEMBERED:
            self._event_at.popitem(last=False)
        if ended is not None:
            self._end_elsewhere(event, ended)
        if not receivers:
            return
        frame = replace(await self.frame_of(event), ended=ended)
        # Who joined while the label was read: its snapshot may be older than this event, so it is asked again.
        for connection in list(self.connections):
            if sees(connection.scope, event):
                connection.offer(frame)
                FRAMES.inc()
        FRAME_DELAY.observe(max(0.0, (self._now() - event.at).total_seconds()))
        # The writers' turn: a burst that is read at once must not fill the queues of clients that keep up.
        await asyncio.sleep(0)

    async def frame_of(self, event: FeedEvent) -> Frame:
        """The frame with its elder's label; without it when the database is slow: the alert comes first."""
        try:
            async with asyncio.timeout(LABEL_WAIT_S):
                data = await self._views.of_event(self._pool, event, self._now())
        except (psycopg.Error, PoolTimeout, OSError) as error:
            if not (isinstance(error, PoolTimeout | TimeoutError) or is_retryable(error)):
                raise
            log.warning("frame without label", extra={"action": "live.label_missing", "seq": event.seq})
            data = self._views.unlabelled(event)
        return alert_frame(event.type, event.seq, event.at, data, self.provisional_id_of(event))

    def tell(self, provisional: Provisional, data: Json, now: datetime) -> None:
        """A provisional alert as it stands now, to everybody who sees it."""
        frame = provisional_frame(provisional.id, now, data)
        for connection in list(self.connections):
            if sees_provisional(connection.scope, provisional):
                connection.told.add(frame.id)
                connection.offer(frame)
                FRAMES.inc()

    def end(self, provisional: Provisional, data: Json, now: datetime) -> None:
        """Its last word, to everybody who was told of it."""
        frame = provisional_frame(provisional.id, now, data)
        for connection in list(self.connections):
            if frame.id in connection.told:
                connection.told.discard(frame.id)
                connection.offer(frame)

    def _end_elsewhere(self, event: FeedEvent, ended: ProvisionalFrame) -> None:
        """Who does not see the stored alert (it is another centre's after all) gets no frame that replaces it."""
        for connection in list(self.connections):
            if ended.id in connection.told and not sees(connection.scope, event):
                connection.told.discard(ended.id)
                connection.offer(ended)

    def shown(self, seq: int) -> None:
        """A console shows the alert event `seq`; how long that took is measured while we remember the event."""
        if (at := self._event_at.get(seq)) is not None:
            SHOWN_DELAY.observe(max(0.0, (self._now() - at).total_seconds()))

    async def beat(self, stop: asyncio.Event, pause_s: float) -> None:
        """A heartbeat to every socket each `pause_s`, until `stop`."""
        while not await wait_or_stop(stop, pause_s):
            self.beat_now()

    def beat_now(self) -> None:
        for connection in list(self.connections):
            connection.offer(Signal.HEARTBEAT)


def sees_provisional(scope: Scope, provisional: Provisional) -> bool:
    alert = provisional.alert
    return scope.sees(alert.centre_id, alert.region_code, alert.elder_ids, view="alerts")
