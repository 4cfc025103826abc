"""The live stream as a console keeps it: it connects again with the last number it has, and hears every press once."""

import asyncio
import json
import logging
from collections import Counter
from typing import Any, Protocol, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from core.errors import AnxinError
from simulators.api_client import ApiClient
from simulators.ready import Ready

log = logging.getLogger(__name__)

_RINGS = ("alert.opened", "alert.pressed")
_AGAIN_S = 0.2
_TOKEN_IS_OVER = 4401


class SignsIn(Protocol):
    token: str

    def sign_in(self) -> None: ...


class Console:
    """`heard`: event key of a press → frames that opened or pressed with it, each number counted once.

    `gaps` counts frames whose `prev` was not what this console held, `provisional` the rings before the commit.
    """

    def __init__(self, url: str, account: SignsIn) -> None:
        """`url` of the live stream."""
        self._url, self._client = url, account
        self.heard: Counter[str] = Counter()
        self.connects = self.resets = self.gaps = self.provisional = 0
        self.connected = asyncio.Event()
        self._seen: set[int] = set()
        self._held: int | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, ready: Ready) -> Self:
        """The admin's."""
        account = ready.accounts["admin"]
        client = ApiClient(ready.api_url, account.username, account.password)
        return cls(ready.live_url, client)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="chaos console")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def begin(self) -> None:
        """A new round: earlier presses are judged."""
        self.heard.clear()
        self._seen.clear()
        self.gaps = self.provisional = 0

    async def _run(self) -> None:
        while True:
            try:
                await self._once()
            except InvalidStatus as error:
                if error.response.status_code == 401:
                    self._client.token = ""
            except (OSError, WebSocketException, AnxinError, TimeoutError, EOFError) as error:
                log.info("the live stream went away: %s", error)
            self.connected.clear()
            await asyncio.sleep(_AGAIN_S)

    async def _once(self) -> None:
        if not self._client.token:
            await asyncio.to_thread(self._client.sign_in)
        url = self._url if self._held is None else f"{self._url}?after={self._held}"
        header = {"Authorization": f"Bearer {self._client.token}"}
        # Pings find a line that went dead: without them a half-open stream would look like a quiet night.
        async with connect(
            url, additional_headers=header, max_size=None, open_timeout=5, ping_interval=3, ping_timeout=3
        ) as stream:
            try:
                await self._listen(stream)
            finally:
                # The token's quarter of an hour is over. A closing that is no good-bye raises, so not after the loop.
                if stream.close_code == _TOKEN_IS_OVER:
                    self._client.token = ""

    async def _listen(self, stream: ClientConnection) -> None:
        async for text in stream:
            frame = json.loads(text)
            kind = frame["type"]
            if kind == "hello":
                self._welcomed(frame)
            elif kind == "alert.provisional":
                self.provisional += 1
            elif isinstance(frame.get("prev"), int):
                self._take(frame)

    def _welcomed(self, hello: dict[str, Any]) -> None:
        self.connects += 1
        if self._held is None or hello["reset"]:
            self.resets += int(self._held is not None)
            self._held = hello["seq"]
        self.connected.set()

    def _take(self, frame: dict[str, Any]) -> None:
        self.gaps += int(self._held is not None and frame["prev"] != self._held)
        self._held = frame["seq"]
        if frame["type"] in _RINGS and frame["seq"] not in self._seen:
            self._seen.add(frame["seq"])
            evidence = frame["data"].get("evidence") or [{}]
            self.heard[evidence[-1].get("key", "")] += 1
