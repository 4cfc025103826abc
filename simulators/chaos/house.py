"""The platform under test: a demo of the run's own, its processes, and the proxies in the lines of some of them.

`ingest-2`, `api` and `engine-1` reach their servers through proxies, `ingest-1` directly: a cut line is met while the
other worker goes on, and only half the traffic pays for the detour.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from core.domain.fleet import Fleet
from core.errors import Unavailable
from simulators.chaos.book import Book
from simulators.chaos.disk import SmallDisk
from simulators.chaos.proxy import TcpProxy
from simulators.read_fleet import read_fleet
from simulators.ready import Ready, read_ready

WORKERS = ("ingest-1", "ingest-2")
LINES = (
    ("ingest-2", "broker"),
    ("ingest-2", "database"),
    ("api", "broker"),
    ("api", "database"),
    ("engine-1", "database"),
)
HOMES = 130
_READY_WITHIN_S = 300.0
_DATABASE_DISK_MB = 1500
_SPOOL_DISK_MB = 64
_SPOOL_LEAVES_BYTES = 8 << 20


@dataclass(slots=True)
class House:
    folder: Path
    ready: Ready
    fleet: Fleet
    fleet_file: Path
    book: Book
    proxies: dict[tuple[str, str], TcpProxy]
    disks: dict[str, SmallDisk] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def roll(self) -> dict[str, int]:
        """Process ids by part and server. Raises OSError or ValueError while the demo is not up."""
        document = json.loads((self.data_dir / "parts.json").read_text(encoding="utf-8"))
        return {name: pid for name, pid in document.items() if name != "ports"}

    def ports(self) -> dict[str, int]:
        ports: dict[str, int] = json.loads((self.data_dir / "parts.json").read_text(encoding="utf-8"))["ports"]
        return ports

    async def all_ready(self) -> bool:
        """Whether every part answers /readyz with 200."""
        urls = [f"http://127.0.0.1:{port}/readyz" for port in self.ports().values()]
        return all(await asyncio.gather(*(asyncio.to_thread(_answers, url) for url in urls)))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except OSError:
        return False


@asynccontextmanager
async def fresh_house(*, small_disks: bool = False) -> AsyncIterator[House]:
    """Start everything; in the end stop it and remove it. Raises Unavailable, CannotMount.

    `small_disks`: the database's folder and the workers' spools each lie on a small disk that can be filled.
    """
    # Below /tmp: as root the servers run as a user of their own, who must reach it.
    folder = Path(tempfile.mkdtemp(prefix="anxin-chaos-", dir="/tmp"))
    folder.chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet
    async with AsyncExitStack() as after:
        after.callback(shutil.rmtree, folder, ignore_errors=True)
        await _anxin(folder, "stack", "start", "--data-dir", str(folder / "data"))
        disks: dict[str, SmallDisk] = {}
        if small_disks:
            disks = await _small_disks(folder, after)
        proxies = await _proxies(folder / "data", after)
        overrides = _overrides(folder / "data", proxies, disks)
        (folder / "part-env.json").touch(mode=0o600)
        (folder / "part-env.json").write_text(json.dumps(overrides), encoding="utf-8")
        await _start_demo(folder, after)
        ready = read_ready(folder / "data/ready.json")
        fleet_file = folder / "data/fleet.json"
        yield House(folder, ready, read_fleet(fleet_file), fleet_file, Book(ready.database_url), proxies, disks)


async def _anxin(folder: Path, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "anxin", *words), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise Unavailable(errors.decode(errors="replace").strip().splitlines()[-1])


async def _small_disks(folder: Path, after: AsyncExitStack) -> dict[str, SmallDisk]:
    data = folder / "data"
    await _anxin(folder, "stack", "stop", "--data-dir", str(data))
    spool = folder / "spool"
    spool.mkdir()
    disks = {}
    for name, place, size_mb in (
        ("database", data / "postgresql", _DATABASE_DISK_MB),
        ("spool", spool, _SPOOL_DISK_MB),
    ):
        disks[name] = await asyncio.to_thread(SmallDisk, place, size_mb)
        after.callback(disks[name].close)
    await _anxin(folder, "stack", "start", "--data-dir", str(data))
    # Written after the start, which rewrites postgresql.conf: the log must not fill the small disk by itself.
    with Book(_urls(data)["database"]).connect() as conn:
        conn.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
        conn.execute("SELECT pg_reload_conf()")
    return disks


def _urls(data_dir: Path) -> dict[str, str]:
    state = json.loads((data_dir / "stack.json").read_text(encoding="utf-8"))
    mqtt_password = quote(state["mqtt_password"], safe="")
    return {
        "database": f"postgresql://anxin:{state['pg_password']}@127.0.0.1:{state['pg_port']}/anxin",
        "broker": f"mqtt://platform:{mqtt_password}@127.0.0.1:{state['mqtt_port']}",
    }


async def _proxies(data_dir: Path, after: AsyncExitStack) -> dict[tuple[str, str], TcpProxy]:
    state = json.loads((data_dir / "stack.json").read_text(encoding="utf-8"))
    ports = {"database": state["pg_port"], "broker": state["mqtt_port"]}
    proxies = {}
    for part, server in LINES:
        proxies[part, server] = await TcpProxy("127.0.0.1", ports[server]).start()
        after.push_async_callback(proxies[part, server].stop)
    return proxies


def _overrides(
    data_dir: Path, proxies: dict[tuple[str, str], TcpProxy], disks: dict[str, SmallDisk]
) -> dict[str, dict[str, str]]:
    urls = _urls(data_dir)
    variables = {"database": "ANXIN_DATABASE_URL", "broker": "ANXIN_MQTT_URL"}
    overrides: dict[str, dict[str, str]] = {"*": {}}
    for (part, server), proxy in proxies.items():
        before, _, after = urls[server].rpartition("@")
        database = after.partition("/")[2]
        address = f"{before}@{proxy.host}:{proxy.port}{'/' + database if database else ''}"
        overrides.setdefault(part, {})[variables[server]] = address
    if "spool" in disks:
        overrides["*"] |= {
            "ANXIN_INGEST_SPOOL_DIR": str(disks["spool"].folder),
            "ANXIN_INGEST_SPOOL_MIN_FREE_BYTES": str(_SPOOL_LEAVES_BYTES),
            "ANXIN_INGEST_SPOOL_SEGMENT_BYTES": str(1 << 20),
        }
    return overrides


async def _start_demo(folder: Path, after: AsyncExitStack) -> None:
    words = ("--no-fleet", "--homes", str(HOMES), "--data-dir", str(folder / "data"))
    parts = ("--ingest-workers", str(len(WORKERS)), "--part-env-file", str(folder / "part-env.json"))
    with (folder / "demo.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "anxin", "demo", *words, *parts), stdout=log, stderr=log, start_new_session=True
        )
    after.push_async_callback(_stop_demo, process)
    deadline = asyncio.get_running_loop().time() + _READY_WITHIN_S
    while not (folder / "data/ready.json").exists():
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            words_said = (folder / "demo.log").read_text(encoding="utf-8").strip().splitlines()
            raise Unavailable(f"The chaos run's own demo did not start: {words_said[-1] if words_said else 'silent'}")
        await asyncio.sleep(0.1)


async def _stop_demo(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await process.wait()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_with_children(pid: int) -> None:
    """The postmaster and every backend at once: shared memory is gone, as after a power cut (but for the kernel's)."""
    family = [pid, *_children(pid)]
    for member in family:
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found
