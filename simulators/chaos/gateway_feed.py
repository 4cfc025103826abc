"""`anxin gateway` as a service manager runs it: fed line by line, started again, fed again what has no receipt."""

import asyncio
import contextlib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.domain.fleet import FleetMember
from simulators.chaos.ledger import Moments, Published

_LINES_WAITING = 20  # lines given to a process and not yet answered
_PAUSE_S = 0.03
_RESTART_S = 0.2
_SOS_EVERY = 20  # one line in so many is a press


class GatewayFeed:
    """A press or a reading at a time; what was never answered goes to the next process under the same id."""

    def __init__(self, member: FleetMember, folder: Path, host: str, port: int, tag: str) -> None:
        self._member, self._folder, self._tag = member, folder, f"{tag}-gw"
        password = folder / "gateway-password"
        password.touch(mode=0o600)
        password.write_text(member.password, encoding="utf-8")
        where = ("--host", host, "--port", str(port), "--wait-seconds", "600")
        self._command = (
            *(sys.executable, "-m", "anxin", "gateway", "--device", member.device_id),
            *("--password-file", str(password), *where),
        )
        self.messages: list[Published] = []
        self.pid = 0
        self.starts = 0
        self._number = 0
        self._moments = Moments(1)
        self._waiting: dict[int, tuple[Published, bytes]] = {}
        self._feeding = False
        self._keeper: asyncio.Task[None] | None = None

    @property
    def owed(self) -> int:
        return len(self._waiting)

    def start_service(self) -> None:
        self._keeper = asyncio.create_task(self._keep(), name="gateway feed")

    async def stop_service(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    def begin(self) -> None:
        self.messages, self._feeding = [], True

    async def end(self, within_s: float) -> list[Published]:
        """No new lines; wait until the given ones are answered."""
        self._feeding = False
        deadline = time.monotonic() + within_s
        while self._waiting and time.monotonic() < deadline:  # noqa: ASYNC110 - with a deadline
            await asyncio.sleep(0.05)
        self._waiting.clear()
        return self.messages

    async def _keep(self) -> None:
        while True:
            with (self._folder / "gateway.log").open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log
                )
            self.pid, self.starts = process.pid, self.starts + 1
            given: list[int] = []
            feeding = asyncio.create_task(self._feed(process, given))
            try:
                await self._hear(process, given)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            await asyncio.sleep(_RESTART_S)

    async def _feed(self, process: asyncio.subprocess.Process, given: list[int]) -> None:
        assert process.stdin is not None
        for number, (_, line) in list(self._waiting.items()):
            given.append(number)
            process.stdin.write(line)
        while True:
            if self._feeding and len(self._waiting) < _LINES_WAITING:
                message, line = self._next()
                self.messages.append(message)
                self._waiting[message.number] = (message, line)
                given.append(message.number)
                process.stdin.write(line)
            await process.stdin.drain()
            await asyncio.sleep(_PAUSE_S)

    def _next(self) -> tuple[Published, bytes]:
        self._number += 1
        sos = self._number % _SOS_EVERY == 0
        at_us = self._moments.next(time.time_ns() // 1000)
        message = Published(self._number, self._tag, self._member.device_id, "gateway", sos, at_us)
        at = datetime.fromtimestamp(message.at // 1_000_000, UTC).replace(microsecond=message.at % 1_000_000)
        event: dict[str, Any] = {"id": message.id, "at": at.isoformat().replace("+00:00", "Z"), "type": "sos"}
        if not sos:
            event |= {"type": "heart_rate", "value": 70 + self._number % 10}
        return message, json.dumps(event).encode() + b"\n"

    async def _hear(self, process: asyncio.subprocess.Process, given: list[int]) -> None:
        """The process numbers its lines from 1; `given` says which message each was."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            answer = json.loads(line)
            waiting = self._waiting.pop(given[answer["line"] - 1], None)
            if waiting is None:
                continue
            message = waiting[0]
            message.receipted = answer.get("accepted", 0) + answer.get("duplicate", 0) > 0
            rejected = answer.get("rejected") or ([answer["error"]] if "error" in answer else [])
            message.rejected = rejected[0] if rejected else None
