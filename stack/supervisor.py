"""Keeps a list of programs running: starts them in order, restarts what ends, stops them in order.

It restarts at once the first time and then more slowly, so that a part that fails at every start does not eat the
machine, and it never gives up: a platform that stays half down after a night's hiccup is worse than a noisy log.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Report = Callable[[str], None]
Started = Callable[[str, int], None]
"""A program's name and its new process id, at each start."""

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_HEALTHY_AFTER_S = 5.0  # what a program that ran this long died of is not its start: it starts again at once


@dataclass(frozen=True, slots=True)
class Program:
    """`name` also names its log file. `stop_s`: how long it may take to stop before it is killed."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_s: float = 15.0


def next_wait(previous_s: float, ran_s: float) -> float:
    """Seconds to wait before the next start of a program that ran `ran_s` and last waited `previous_s`."""
    if ran_s >= _HEALTHY_AFTER_S or previous_s == 0:
        return _FIRST_WAIT_S
    return min(previous_s * 2, _LONGEST_WAIT_S)


class Supervisor:
    def __init__(self, log_dir: Path, report: Report, started: Started = lambda _name, _pid: None) -> None:
        self.log_dir = log_dir
        self.report = report
        self._started = started
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stop_s: dict[str, float] = {}
        self._stopping: set[str] = set()

    async def start(self, program: Program) -> None:
        """Start a program and keep it running until `stop`. Its output goes to `<log_dir>/<name>.log`."""
        process = await self._spawn(program)
        self._stop_s[program.name] = program.stop_s
        self._keepers[program.name] = asyncio.create_task(self._keep(program, process), name=program.name)

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        log = os.open(self.log_dir / f"{program.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **program.environment},
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the parts in order
            )
        finally:
            os.close(log)
        self.processes[program.name] = process
        self._started(program.name, process.pid)
        return process

    async def _keep(self, program: Program, process: asyncio.subprocess.Process) -> None:
        wait_s = 0.0
        while True:
            began = time.monotonic()
            code = await process.wait()
            if program.name in self._stopping:
                return
            wait_s = next_wait(wait_s, time.monotonic() - began)
            self.report(
                f"{program.name} ended with code {code}; its log: {self.log_dir / program.name}.log; restarting"
            )
            await asyncio.sleep(wait_s)
            process = await self._spawn(program)

    async def stop(self, name: str) -> None:
        """Ask a program to end, kill it after its time, and forget it."""
        keeper = self._keepers.pop(name, None)
        if keeper is None:
            return
        self._stopping.add(name)
        process = self.processes.pop(name)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self._stop_s[name])
            except TimeoutError:
                self.report(f"{name} did not stop in {self._stop_s[name]:g} s and was killed")
                process.kill()
                await process.wait()
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        self._stopping.discard(name)

    async def stop_all(self, order: tuple[str, ...]) -> None:
        for name in order:
            await self.stop(name)
