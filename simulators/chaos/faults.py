"""The faults: what is done, to whom, at a moment when a batch is on its way, and how it is undone."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from simulators.chaos.book import Book, lanes_at_work
from simulators.chaos.gateway_feed import GatewayFeed
from simulators.chaos.house import LINES, WORKERS, House, kill, kill_with_children

KINDS = ("broker", "database", "ingest", "engine", "api", "gateway", "socket", "disk")
_STRIKE_WITHIN_S = 3.0
_ANY_LANE = "anxin ingest-% %"
_LAST_BYTES = 8 << 20

Act = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """`blow` and `undo` do not block. `lane`: the connections (LIKE) of which one should hold an open batch.

    `gone`: parts or servers that must come back as another process. `undo_after_s` 0: it is not ours to undo.
    """

    name: str
    blow: Act
    lane: str = _ANY_LANE
    gone: tuple[str, ...] = ()
    undo: tuple[Act, ...] = ()
    undo_after_s: float = 0.0
    before: Act = field(default=lambda: None)


def choose(kind: str, house: House, feed: GatewayFeed, chance: random.Random) -> Fault:
    """One fault of a kind; `chance` decides which of its forms."""
    match kind:
        case "ingest":
            worker = chance.choice(WORKERS)
            return Fault(f"kill -9 {worker}", _kill(house, worker), lane=f"anxin {worker} %", gone=(worker,))
        case "engine":
            return Fault("kill -9 the engine", _kill(house, "engine-1"), gone=("engine-1",))
        case "api":
            return Fault("kill -9 the API", _kill(house, "api"), gone=("api",))
        case "gateway":
            return Fault("kill -9 the gateway client", lambda: kill(feed.pid))
        case "broker":
            return Fault("kill -9 the broker", _kill(house, "broker"), gone=("broker",))
        case "database":
            return Fault(
                "kill -9 the database, all its processes",
                lambda: kill_with_children(house.roll()["database"]),
                gone=("database",),
            )
        case "socket":
            return _line_fault(house, chance)
        case "disk":
            return _disk_fault(house, chance)
    raise ValueError(f"{kind} is no kind of fault")


def _kill(house: House, part: str) -> Act:
    return lambda: kill(house.roll()[part])


def _line_fault(house: House, chance: random.Random) -> Fault:
    """Half of them at the worker, which carries the data; cut, silent for a while, or silent for ever."""
    line = chance.choice((*LINES, *LINES[:2], LINES[0]))
    proxy = house.proxies[line]
    where = f"{line[0]} – {line[1]}"
    lane = f"anxin {line[0]} %" if line[0] in WORKERS else _ANY_LANE
    seconds = round(chance.uniform(2, 5), 1)
    form = chance.choice(("cut", "silent", "silent, then cut", "half-open"))
    match form:
        case "cut":
            return Fault(f"{where}: cut", _in_loop(proxy.cut), lane)
        case "silent":
            thaw = (_in_loop(proxy.thaw),)
            return Fault(f"{where}: silent for {seconds} s", _in_loop(proxy.freeze), lane, (), thaw, seconds)
        case "silent, then cut":
            undo = (_in_loop(proxy.cut), _in_loop(proxy.thaw))
            return Fault(f"{where}: silent for {seconds} s, then cut", _in_loop(proxy.freeze), lane, (), undo, seconds)
    return Fault(f"{where}: half-open for good, new connections work", _in_loop(proxy.strand), lane)


def _in_loop(act: Act) -> Act:
    """The blow falls from a thread; a proxy lives in the loop."""
    loop = asyncio.get_running_loop()

    def ask_loop() -> None:
        loop.call_soon_threadsafe(act)

    return ask_loop


def _disk_fault(house: House, chance: random.Random) -> Fault:
    """The database's disk alone, or the workers' spools with it: then there is nowhere left to keep a message."""
    full = [house.disks["database"]]
    name = "the database's disk full"
    if chance.random() < 0.5:
        full.append(house.disks["spool"])
        name = "the database's and the spools' disks full"
    seconds = round(chance.uniform(2, 4), 1)

    def fill() -> None:
        for disk in full:
            disk.fill()

    def nearly() -> None:
        for disk in full:
            disk.fill(leave_bytes=_LAST_BYTES)

    undo = tuple(disk.free for disk in full)
    return Fault(f"{name} for {seconds} s", fill, undo=undo, undo_after_s=seconds, before=nearly)


def strike(book: Book, fault: Fault) -> bool:
    """Blocking: wait until a lane holds an open batch and strike that very moment. False if none did in time, or the
    database went down while we waited: a disk that was left a few bytes is sometimes full before it is filled."""
    with contextlib.suppress(psycopg.OperationalError), book.connect() as conn:
        fault.before()
        deadline = time.monotonic() + _STRIKE_WITHIN_S
        while time.monotonic() < deadline:
            if lanes_at_work(conn, fault.lane):
                fault.blow()
                return True
            time.sleep(0.0005)
    fault.blow()
    return False
