"""A platform of the bench's own: a fresh demo without its fleet, stopped and removed afterwards.

Once it is ready its supervisor is put to sleep (SIGSTOP), because a bench takes workers and servers away for minutes
and the supervisor's work is to bring them back at once. The parts themselves run on; in the end it is woken and stops
them.
"""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from core.domain.fleet import Fleet, FleetMember
from core.errors import Unavailable
from simulators.ready import Ready, read_ready

_READY_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Town:
    """`platform_url`: the broker as the platform's own user, for limits and peers; presses use their devices' own.

    `folder` is removed with the town; `demo_pid` is the supervisor's.
    """

    ready: Ready
    fleet: Fleet
    fleet_file: Path
    platform_url: str
    folder: Path
    demo_pid: int

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def hubs(self) -> list[FleetMember]:
        return [member for member in self.fleet.members if member.kind == "hub"]

    @property
    def watches(self) -> list[FleetMember]:
        """Devices of distinct elders, each with a connection of its own."""
        return [member for member in self.fleet.members if member.kind == "watch"]


def homes_for(devices: int, *, pressing: int = 0) -> int:
    """Homes whose hubs have so many children (eight each at least), and so many watches more that press."""
    return max(5, devices // 8 + 1) + pressing


@asynccontextmanager
async def fresh_town(homes: int) -> AsyncIterator[Town]:
    """Start `anxin demo --no-fleet` with `homes` homes. Raises Unavailable with the demo's last words."""
    # Below /tmp: as root the servers run as a user of their own, who must reach it.
    folder = Path(tempfile.mkdtemp(prefix="anxin-bench-", dir="/tmp"))
    folder.chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet
    log = (folder / "demo.log").open("wb")
    words = ("-m", "anxin", "demo", "--no-fleet", "--homes", str(homes), "--data-dir", str(folder / "data"))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=log, stderr=log)
    log.close()
    try:
        await _ready(process, folder)
        process.send_signal(signal.SIGSTOP)
        yield _town(folder, process.pid)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def _ready(process: asyncio.subprocess.Process, folder: Path) -> None:
    deadline = asyncio.get_running_loop().time() + _READY_WITHIN_S
    while not (folder / "data/ready.json").exists():
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            words = (folder / "demo.log").read_text(encoding="utf-8").strip().splitlines()
            raise Unavailable(f"The bench's own demo did not start: {words[-1] if words else 'no reason given'}")
        await asyncio.sleep(0.1)


def _town(folder: Path, demo_pid: int) -> Town:
    data_dir = folder / "data"
    ready = read_ready(data_dir / "ready.json")
    fleet_file = data_dir / "fleet.json"
    password = quote(json.loads((data_dir / "stack.json").read_text(encoding="utf-8"))["mqtt_password"], safe="")
    return Town(
        ready=ready,
        fleet=Fleet.model_validate_json(fleet_file.read_text(encoding="utf-8")),
        fleet_file=fleet_file,
        platform_url=f"mqtt://platform:{password}@{ready.mqtt_host}:{ready.mqtt_port}",
        folder=folder,
        demo_pid=demo_pid,
    )
