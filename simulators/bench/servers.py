"""Take the database or the broker of a bench's town away, and bring it back."""

import asyncio
import signal
import sys
from pathlib import Path

from core.errors import Unavailable
from simulators.bench.processes import end
from simulators.bench.town import Town

_PID_FILE = "postgresql/postmaster.pid"


async def crash_database(town: Town) -> None:
    """An immediate shutdown: nothing is written any more, the next start recovers from the log."""
    await end(_pid(town.data_dir / _PID_FILE), signal.SIGQUIT)


async def stop_database(town: Town) -> None:
    """An orderly end: everything is written to its files."""
    await end(_pid(town.data_dir / _PID_FILE), signal.SIGINT)


async def stop_broker(town: Town) -> None:
    """An orderly end: sessions and queues are on disk."""
    await end(await asyncio.to_thread(_broker_pid, town))


async def start_servers(town: Town) -> None:
    """Start again what does not run; returns when both answer. Raises Unavailable with the reason."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "anxin", "stack", "start", "--data-dir", str(town.data_dir)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode:
        words = errors.decode(errors="replace").strip().splitlines()
        raise Unavailable(f"The servers did not start again: {words[-1] if words else 'no reason given'}")


def _pid(file: Path) -> int:
    return int(file.read_text(encoding="ascii").split()[0])


def _broker_pid(town: Town) -> int:
    folder = str(town.data_dir)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if Path(words[0]).name == "mosquitto" and any(word.startswith(folder) for word in words[1:]):
                return int(entry.name)
    raise Unavailable("The bench's broker does not run.")
