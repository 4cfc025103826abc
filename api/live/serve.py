"""A live socket from its handshake to its end (contract §3)."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import psycopg
from psycopg_pool import PoolTimeout
from starlette.websockets import WebSocket, WebSocketDisconnect

from alerts import store as alert_store
from api import store
from api.access import remembered_scope, scope_of
from api.alert_access import alert_params, alert_reader, sees
from api.alert_view import AlertViews
from api.live import frames
from api.live.client import FrameError, Ping, Renewal, Seat, Shown, read_first
from api.live.connection import LiveConnection, receive_text
from api.live.frames import Close, Signal, provisional_frame
from api.live.hub import LiveHub, sees_provisional
from api.metrics import CLOSES
from api.problems import Problem
from api.services import ApiServices
from api.tokens import AccessToken, TokenInvalid, read_access_token
from core.domain.ids import new_id
from core.errors import Unavailable
from core.runtime.patience import at_most
from core.store.pool import is_retryable, transaction
from registry.access import Scope

log = logging.getLogger(__name__)

BUILD = version("anxin")
REPLAY_BATCH = 200
TRY_AGAIN_LATER = 1013
_READ_WAIT_S = 3.0  # a half-open connection answers nothing and fails nowhere

T = TypeVar("T")


class Refused(Exception):
    """The socket is closed with `code` before it was served."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client begins with. `after` None: from now."""

    token: str
    after: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live alerts of a caller at `seq`; `oldest_kept`: the first event that can still be replayed."""

    seq: int
    oldest_kept: int
    alerts: list[dict[str, Any]]


async def serve(socket: WebSocket, services: ApiServices, hub: LiveHub, views: AlertViews) -> None:
    """Serve `socket` until one side ends it. The close code is chosen here and counted."""
    await socket.accept()
    try:
        code, reason = await _Session(socket, services, hub, views).run()
    except Refused as refusal:
        code, reason = refusal.code, refusal.reason
    except WebSocketDisconnect:
        return
    CLOSES.labels(str(code)).inc()
    log.info("live socket closed", extra={"action": "live.closed", "code": code})
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the client may leave in the same moment
        await socket.close(code, reason)


class _Session:
    def __init__(self, socket: WebSocket, services: ApiServices, hub: LiveHub, views: AlertViews) -> None:
        self.socket, self.services, self.hub, self.views = socket, services, hub, views

    @property
    def _degraded(self) -> bool:
        return self.services.emergency.degraded

    async def run(self) -> tuple[int, str]:
        opening = await self._opening()
        try:
            connection = await self._admit(opening.token)
            # Joined before the snapshot is read: what is committed in between waits in the queue, nothing is missed.
            self.hub.join(connection)
            try:
                return await self._serve(connection, opening.after)
            finally:
                self.hub.leave(connection)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            if not (isinstance(error, PoolTimeout) or is_retryable(error)):
                raise
            raise Refused(TRY_AGAIN_LATER, "unavailable") from None

    async def _opening(self) -> Opening:
        """The header's token with ?after=, or the first message. Raises Refused."""
        scheme, _, token = self.socket.headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise Refused(Close.TOKEN, "token-invalid")
            return Opening(token.strip(), _after_of(self.socket.query_params.get("after")))
        try:
            async with asyncio.timeout(self.services.settings.live_first_message_seconds):
                first = read_first(await receive_text(self.socket))
        except TimeoutError:
            raise Refused(Close.NO_FIRST_MESSAGE, "no-first-message") from None
        except FrameError:
            raise Refused(Close.TOKEN, "token-missing") from None
        return Opening(first.token, first.after)

    def _read_token(self, text: str) -> AccessToken:
        secret = self.services.settings.token_secret.get_secret_value()
        now = self.services.emergency.pulse.token_time(self.services.now)
        try:
            return read_access_token(text, secret, now)
        except TokenInvalid as error:
            raise Refused(Close.TOKEN, error.code) from None

    async def _admit(self, text: str) -> LiveConnection:
        token = self._read_token(text)
        scope, mark = await self._scope_and_mark(token)
        return LiveConnection(
            self.socket,
            id=new_id(self.services.now()),
            scope=alert_reader(scope),
            token=token,
            mark=mark,
            now=self.services.now,
            build=BUILD,
            queue_frames=self.services.settings.live_queue_frames,
            degraded=lambda: self._degraded,
        )

    async def _scope_and_mark(self, token: AccessToken) -> tuple[Scope, str]:
        """With the database away, from memory, for whoever was here within a token's life: a console that reconnects
        then must still ring. Its mark is unknown, so the first look after the outage asks it to come again."""
        found = await self._at_once(self._read_scope(token))
        if found is not None:
            return found
        try:
            return remembered_scope(token, self.services), ""
        except Unavailable:
            raise Refused(TRY_AGAIN_LATER, "unavailable") from None

    async def _read_scope(self, token: AccessToken) -> tuple[Scope, str]:
        async with transaction(self.services.live_pool) as conn:
            try:
                # The mark first: a change between the two reads then closes the socket instead of going unseen.
                marks = await store.access_marks(conn, [token.account_id], self.services.now())
                return await scope_of(conn, token, self.services), marks.get(token.account_id, "")
            except Problem as problem:
                raise Refused(Close.TOKEN, problem.code) from None

    async def _at_once(self, reading: Coroutine[Any, Any, T]) -> T | None:
        """What the database says; None when it does not say it in time."""
        if self._degraded:
            reading.close()
            return None
        try:
            return await at_most(_READ_WAIT_S, reading)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            if not (isinstance(error, PoolTimeout) or is_retryable(error)):
                raise
            log.warning("live socket served from memory", extra={"action": "live.from_memory"})
            return None

    async def _serve(self, connection: LiveConnection, after: int | None) -> tuple[int, str]:
        """Snapshot, replay, then three tasks until the first of them ends: reading, writing, being closed."""
        tasks = [
            asyncio.create_task(connection.closed(), name="live closed"),
            asyncio.create_task(self._read(connection), name="live read"),
            asyncio.create_task(self._write(connection, after), name="live write"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        if connection.is_closing:
            return connection.close_frame()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        raise WebSocketDisconnect(1006)

    async def _write(self, connection: LiveConnection, after: int | None) -> None:
        await self._begin(connection, after)
        await connection.write()

    async def _begin(self, connection: LiveConnection, after: int | None) -> None:
        """hello with one snapshot, the frames after … S if they were asked for and are still kept, and what rings here
        that is not stored."""
        snapshot = await self._at_once(self._snapshot(connection))
        if snapshot is None:
            await self._begin_from_memory(connection, after)
        else:
            await self._begin_from_database(connection, after, snapshot)
        await self._tell_provisional(connection)

    async def _tell_provisional(self, connection: LiveConnection) -> None:
        emergency = self.services.emergency
        for provisional in emergency.watch.live:
            if emergency.watch.find(provisional.id) is not provisional:
                continue  # it ended while another was sent: nobody would take it from this screen again
            if provisional.id not in connection.told and sees_provisional(connection.scope, provisional):
                connection.told.add(provisional.id)
                frame = provisional_frame(provisional.id, self.services.now(), emergency.current(provisional))
                await connection.send(frame.text)

    async def _begin_from_memory(self, connection: LiveConnection, after: int | None) -> None:
        """The alerts as the last frame left them: the very state every other console of this process shows."""
        mirror, emergency = self.hub.mirror, self.services.emergency
        seq = mirror.seq
        alerts = [emergency.labelled(alert, elders) for alert, elders in mirror.seen_by(connection.scope)]
        connection.floor = connection.last = seq
        reset = after is not None and after != seq
        now = self.services.now()
        await connection.send(frames.hello(seq, now, BUILD, reset=reset, alerts=alerts, degraded=True))

    async def _snapshot(self, connection: LiveConnection) -> Snapshot:
        now = self.services.now()
        async with self.services.live_pool.connection() as conn:
            alerts, seq = await alert_store.live(conn, alert_params(connection.scope))
            oldest = await alert_store.oldest_kept_seq(conn)
            return Snapshot(seq, oldest, await self.views.of_alerts(conn, alerts, now))

    async def _begin_from_database(self, connection: LiveConnection, after: int | None, snapshot: Snapshot) -> None:
        seq, most = snapshot.seq, self.services.settings.live_replay_max_events
        resumed = after is not None and frames.can_resume(
            after, snapshot=seq, oldest_kept=snapshot.oldest_kept, most=most
        )
        connection.floor = seq
        connection.last = after if resumed and after is not None else seq
        reset = after is not None and not resumed
        now = self.services.now()
        await connection.send(frames.hello(seq, now, BUILD, reset=reset, alerts=snapshot.alerts))
        if resumed:
            await self._replay(connection, until=seq)

    async def _replay(self, connection: LiveConnection, *, until: int) -> None:
        position = connection.last
        while position < until:
            async with self.services.live_pool.connection() as conn:
                events = await alert_store.events_after(conn, position, REPLAY_BATCH)
            for event in events:
                position = event.seq
                if event.seq <= until and sees(connection.scope, event):
                    await connection.send_frame(await self.hub.frame_of(event))
            if not events:
                return

    async def _read(self, connection: LiveConnection) -> None:
        while True:
            match await connection.read():
                case Ping():
                    connection.offer(Signal.PONG)
                case Shown(alert=alert, seq=seq):
                    self.hub.shown(seq)
                    log.info(
                        "shown",
                        extra={
                            "action": "live.shown",
                            "alert_id": alert,
                            "seq": seq,
                            "account_id": str(connection.account_id),
                        },
                    )
                case Seat(audible=audible, visible=visible, idle_s=idle_s):
                    connection.seat = (audible, visible, idle_s)
                    connection.seat_written_at = None
                case Renewal(token=text):
                    self._renew(connection, text)

    def _renew(self, connection: LiveConnection, text: str) -> None:
        """A fresh token of the same account. Whether its session lives is asked by the watch within its pause."""
        token = self._read_token(text)
        if token.account_id != connection.account_id:
            raise Refused(Close.TOKEN, "token-invalid")
        connection.token = token


def _after_of(text: str | None) -> int | None:
    """?after=; what is no number can't be resumed from, so it ends in a reset like any lost position."""
    if text is None:
        return None
    return int(text) if text.isdecimal() and len(text) < 19 else -1
