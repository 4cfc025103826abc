"""One live socket: its bounded queue, its position, and the two loops that serve it until somebody closes it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from starlette.websockets import WebSocket, WebSocketDisconnect

from api.live import frames
from api.live.client import ClientFrame, FrameError, read_frame
from api.live.frames import Close, Frame, ProvisionalFrame, Signal
from api.tokens import AccessToken
from core.runtime.clock import Now
from registry.access import Scope

log = logging.getLogger(__name__)

Item = Frame | ProvisionalFrame | Signal | str


class LiveConnection:
    """Created when the token was accepted. `offer` never waits: a full queue closes the socket with 4429.

    `last` is the seq the client holds; frames up to `floor` are in its snapshot or replay and are not sent again.
    `mark` is the fingerprint of the account's access at the time.
    """

    def __init__(
        self,
        socket: WebSocket,
        *,
        id: UUID,
        scope: Scope,
        token: AccessToken,
        mark: str,
        now: Now,
        build: str,
        queue_frames: int,
        degraded: Callable[[], bool] = lambda: False,
    ) -> None:
        self.id = id
        self.scope = scope
        self.token = token
        self.mark = mark
        self.last = 0
        self.floor = 0
        self.told: set[UUID] = set()  # provisional ids of what it shows that is not stored
        self.seat: tuple[bool | None, bool | None, int | None] = (None, None, None)
        self.seat_written_at: datetime | None = None
        self._socket = socket
        self._now = now
        self._build = build
        self._queue_frames = queue_frames
        self._degraded = degraded
        self._queue: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    @property
    def account_id(self) -> UUID:
        return self.scope.account_id

    @property
    def is_closing(self) -> bool:
        return self._closing.done()

    def offer(self, item: Item) -> None:
        """Queue a frame. One too many and the client is told where it stands, and must come back."""
        if self.is_closing:
            return
        if len(self._queue) >= self._queue_frames:
            self.close(Close.TOO_SLOW)
            return
        if item is Signal.HEARTBEAT and self._queue and self._queue[-1] is item:
            return
        self._queue.append(item)
        self._wake.set()

    def close(self, code: int, reason: str = "") -> None:
        """Ask for the end of this socket; the first reason counts."""
        if not self._closing.done():
            self._closing.set_result((code, reason))

    async def send(self, text: str) -> None:
        """Past the queue: hello and replay, before `serve`."""
        await self._socket.send_text(text)

    async def send_frame(self, frame: Frame) -> None:
        await self._socket.send_text(frame.text(self.last))
        self.last = frame.seq

    async def closed(self) -> None:
        """Waits until somebody asked for the end."""
        await asyncio.shield(self._closing)

    def close_frame(self) -> tuple[int, str]:
        """Code and reason. Asked last, when nothing is sent any more: 4429 names what really went out."""
        code, reason = self._closing.result()
        return code, (frames.too_slow_reason(self.last) if code == Close.TOO_SLOW else reason)

    async def write(self) -> None:
        """Send what is queued, in order, for ever."""
        while True:
            while self._queue:
                item = self._queue.popleft()
                if isinstance(item, Frame):
                    if item.seq > self.floor:
                        await self.send_frame(item)
                    elif item.ended is not None and item.ended.id in self.told:
                        await self.send(item.ended.text)
                elif isinstance(item, ProvisionalFrame):
                    await self.send(item.text)
                elif isinstance(item, Signal):
                    degraded = self._degraded()
                    await self.send(frames.signal_text(item, self.last, self._now(), self._build, degraded=degraded))
                else:
                    await self.send(item)
            self._wake.clear()
            await self._wake.wait()

    async def read(self) -> ClientFrame:
        """The next understood frame; what is not understood is answered with an error frame and skipped.

        Raises WebSocketDisconnect.
        """
        while True:
            text = await receive_text(self._socket)
            try:
                return read_frame(text)
            except FrameError as error:
                self.offer(frames.error_text(error.code))


async def receive_text(socket: WebSocket) -> str | None:
    """The next message; None for a binary one. Raises WebSocketDisconnect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
    text = message.get("text")
    return text if isinstance(text, str) else None
