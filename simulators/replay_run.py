"""Plays readings through a broker as a hub would: batches, a window of messages without receipt, alarms at once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from core.domain.event_types import Lane
from core.errors import Unavailable
from core.runtime.service import wait_or_stop
from simulators.link import Link, Login
from simulators.receipts import Event, ReceiptedSender, lane_of
from simulators.recordings.survey import Played, Sensor
from simulators.replay_devices import Publisher
from simulators.replay_plan import Allowance, Timing
from simulators.replay_tally import Tally

_BATCH_EVENTS = 200
_BATCH_AGE_S = 1.0
_WINDOW_MESSAGES = 16
# A device made a moment ago is at the broker within seconds.
_CONNECT_WITHIN_S = 15.0
_STOP_WITHIN_S = 3.0


@dataclass(slots=True)
class Wall:
    """Monotonic seconds since the play began."""

    loop: asyncio.AbstractEventLoop
    began: float

    def passed_s(self) -> float:
        return self.loop.time() - self.began


class ReplayRun:
    """Counts into `tally` as it goes; whoever shows the progress looks there."""

    def __init__(
        self,
        publisher: Publisher,
        host: str,
        port: int,
        timing: Timing,
        tally: Tally,
        stop: asyncio.Event,
    ) -> None:
        self.publisher, self.timing, self.tally = publisher, timing, tally
        self.stop = stop
        self.link = Link(
            Login(host, port, publisher.username, publisher.password),
            client_id=f"replay-{publisher.device_id}",
            read=f"anxin/v1/{publisher.device_id}/down/receipt",
            on_message=lambda message: self.sender.heard(message),
        )
        self.sender = ReceiptedSender(self.link, publisher.device_id)
        self._allowance = Allowance()
        self._window = asyncio.Semaphore(_WINDOW_MESSAGES)
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._batch: list[Event] = []
        self._batch_since = 0.0

    @property
    def waiting(self) -> bool:
        """Whether messages are out without a receipt."""
        return bool(self._sending)

    async def run(self, readings: Iterable[Played]) -> None:
        """To the end, or to the stop. Raises Unavailable when the broker does not let the device in."""
        self.link.start()
        try:
            await self._connect()
            loop = asyncio.get_running_loop()
            await self._play(readings, Wall(loop, loop.time()))
            await self._flush()
            await self._last_receipts()
            if self._failure is not None:
                raise self._failure
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            await self.link.close()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                await self.link.up.wait()
        except TimeoutError:
            raise Unavailable(f"{self.link.last_failure or 'The broker does not answer'}.") from None

    async def _play(self, readings: Iterable[Played], wall: Wall) -> None:
        for played in readings:
            if self.stop.is_set():
                return
            self.tally.read += 1
            reason = self.timing.skipped(played.offset)
            if reason is not None:
                self.tally.skipped[reason] += 1
                continue
            if await self._wait(self.timing.wall_s(played.offset) - wall.passed_s()):
                self.tally.read -= 1
                return
            await self._take(played, wall)

    async def _wait(self, seconds: float) -> bool:
        """Until the reading is due, sending what is ripe meanwhile; True when the stop came first."""
        while seconds > 0:
            step = min(seconds, _BATCH_AGE_S)
            if self._batch:
                step = min(step, max(0.0, self._batch_since + _BATCH_AGE_S - self._now()))
            if await wait_or_stop(self.stop, step):
                return True
            seconds -= step
            if self._batch and self._now() >= self._batch_since + _BATCH_AGE_S:
                await self._flush()
        return False

    async def _take(self, played: Played, wall: Wall) -> None:
        event = self._event(played)
        wait_s = self._allowance.wait_s(event.get("device", ""), self._now())
        if lane_of(event["type"]) is Lane.ALARM:
            await self._flush()  # a hub's words keep their order
            await self._send(Lane.ALARM, [event])
            return
        await self._wait(wait_s)
        if not self._batch:
            self._batch_since = self._now()
        self._batch.append(event)
        if len(self._batch) >= _BATCH_EVENTS or self._now() >= self._batch_since + _BATCH_AGE_S:
            await self._flush()

    def _event(self, played: Played) -> Event:
        reading = played.reading
        event: Event = {
            "id": played.id,
            "at": self.timing.at(played.offset).isoformat(timespec="microseconds"),
            "type": reading.type,
        }
        child = self.publisher.children.get(Sensor(reading.subject, reading.sensor, reading.model))
        optional = {"value": reading.value, "device": child, "zone": reading.zone}
        event.update({name: value for name, value in optional.items() if value is not None})
        return event

    async def _flush(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            await self._send(Lane.TELEMETRY, batch)

    async def _send(self, lane: Lane, events: list[Event]) -> None:
        """Returns as soon as there is room in the window, not with the receipt."""
        await self._window.acquire()
        task = asyncio.create_task(self._until_receipt(lane, events))
        self._sending.add(task)
        task.add_done_callback(self._sent)

    async def _until_receipt(self, lane: Lane, events: list[Event]) -> None:
        self.tally.settle(len(events), await self.sender.send(lane, events))

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._window.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self.stop.set()

    async def _last_receipts(self) -> None:
        """All of them; after a stop only what comes within a few seconds."""
        stopped = asyncio.create_task(self.stop.wait())
        while self._sending and not self.stop.is_set():
            await asyncio.wait({stopped, *self._sending}, return_when=asyncio.FIRST_COMPLETED)
        if self._sending:
            await asyncio.wait(set(self._sending), timeout=_STOP_WITHIN_S)
        stopped.cancel()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
