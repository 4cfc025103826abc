"""Processes the bench looks at or ends: who is whose child, how much memory, is it gone. Linux, from /proc."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from core.errors import Unavailable

_POLL_S = 0.02


def child_running(parent: int, *words: str) -> list[int]:
    """Children of `parent` started as `python -m <words…>`, whatever follows."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if _stat(int(entry.name))[1] == str(parent) and tuple(line[2 : 2 + len(words)]) == words:
                found.append(int(entry.name))
    return sorted(found)


def alive(pid: int) -> bool:
    """A zombie is gone: its parent only has not looked yet."""
    try:
        return _stat(pid)[0] not in ("Z", "X")
    except OSError:
        return False


def resident_mb(pid: int) -> float:
    """0 for a process that is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)


def cpu_seconds(pid: int) -> float:
    """User and system time so far; 0 for a process that is gone."""
    try:
        fields = _stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def end(pid: int, how: signal.Signals = signal.SIGTERM, *, within_s: float = 30.0) -> None:
    """Signal and wait until it is gone. Raises Unavailable if it stays."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
    deadline = asyncio.get_running_loop().time() + within_s
    while alive(pid):
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(f"Process {pid} did not end within {within_s:g} s of {how.name}.")
        await asyncio.sleep(_POLL_S)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
