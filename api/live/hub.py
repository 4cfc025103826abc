"""Every live socket of this process, and the fan-out of alert events to those whose scope sees them."""

import asyncio
import logging
from collections import OrderedDict
from datetime import datetime

import psycopg
from psycopg_pool import PoolTimeout

from alerts.store import FeedEvent
from api.alert_access import sees
from api.alert_view import AlertViews
from api.live.connection import LiveConnection
from api.live.frames import Frame, Signal, alert_frame
from api.metrics import FRAME_DELAY, FRAMES, SHOWN_DELAY, SOCKETS
from core.runtime.clock import Now
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable

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
        self._event_at: OrderedDict[int, datetime] = OrderedDict()

    def join(self, connection: LiveConnection) -> None:
        """From now on the connection's queue fills. Join before reading the snapshot: so nothing falls between."""
        self.connections.add(connection)
        SOCKETS.set(len(self.connections))

    def leave(self, connection: LiveConnection) -> None:
        self.connections.discard(connection)
        SOCKETS.set(len(self.connections))

    async def publish(self, event: FeedEvent) -> None:
        receivers = [connection for connection in self.connections if sees(connection.scope, event)]
        self._event_at[event.seq] = event.at
        if len(self._event_at) > REMEMBERED:
            self._event_at.popitem(last=False)
        if not receivers:
            return
        frame = await self.frame_of(event)
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
        return alert_frame(event.type, event.seq, event.at, data)

    def shown(self, seq: int) -> None:
        """A console shows the alert event `seq`; how long that took is measured while we remember the event."""
        if (at := self._event_at.get(seq)) is not None:
            SHOWN_DELAY.observe(max(0.0, (self._now() - at).total_seconds()))

    async def beat(self, stop: asyncio.Event, pause_s: float) -> None:
        """A heartbeat to every socket each `pause_s`, until `stop`."""
        while not await wait_or_stop(stop, pause_s):
            for connection in list(self.connections):
                connection.offer(Signal.HEARTBEAT)
