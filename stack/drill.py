"""`anxin backup drill`: a platform of its own at work, its database destroyed, restored elsewhere, everything counted.

Nobody knows what a backup is worth before it was needed once. This is that once, on a machine where it costs nothing.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.domain.fleet import Fleet
from stack import servers
from stack.backup_store import BackupStore
from stack.demo_parts import Addresses, parts, seed_command, stop_order
from stack.demo_secrets import demo_secrets
from stack.drill_count import destroy, fill, final_count, make_synchronous, recovery_point, stored
from stack.drill_load import Load
from stack.errors import StackError
from stack.restore import Restored, restore
from stack.state import choose_port
from stack.supervisor import Program, Supervisor

_PARTS = ["broker-sync", "engine-1", "ingest-1"]
_SETTLE_S = 60.0

EXAMPLE = """example:
  anxin backup drill --json                                  20 s of load, about two minutes in all
  anxin backup drill --readings 5000000 --per-second 1000    with a database of some size
  anxin backup drill --synchronous                           commits wait for the follower: nothing may be missing"""


@dataclass
class Drill:
    """What a run needs and finds. `facts` is what `--json` prints."""

    options: argparse.Namespace
    folder: Path
    say: Callable[[str], None]
    facts: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> dict[str, Any]:
        stack = await asyncio.to_thread(servers.start, self.folder / "data")
        addresses = Addresses(stack=stack, secrets=demo_secrets(stack.data_dir), ports=_ports())
        supervisor = Supervisor(self._log_folder(), self.say)
        try:
            fleet = await self._prepare(addresses)
            for program in parts(addresses, _PARTS):
                await supervisor.start(program)
            load = Load(stack.mqtt_host, stack.mqtt_port, fleet.members, self.options.per_second)
            await load.connect()
            await load.send_for(2)
            if await load.send_again_until_all_have_receipts(_SETTLE_S):
                raise StackError(f"the platform gives no receipts; its logs are in {self.folder / 'logs'}")
            await self._follow(supervisor, addresses, load)
            await self._lose_and_restore(supervisor, addresses, load)
            await load.close()
            return self.facts
        finally:
            await supervisor.stop("follower")
            await supervisor.stop_all(stop_order([name for name in supervisor.processes if name in _PARTS]))
            for data in ("data", "restored"):
                await asyncio.to_thread(servers.stop, self.folder / data)

    def _log_folder(self) -> Path:
        logs = self.folder / "logs"
        logs.mkdir(mode=0o700)
        return logs

    async def _prepare(self, addresses: Addresses) -> Fleet:
        town, fleet_file = self.folder / "town.json", self.folder / "fleet.json"
        for command in (
            (sys.executable, "-m", "anxin", "migrate"),
            seed_command(self.options.homes, 1, town, fleet_file),
        ):
            await _once(command, addresses)
        if self.options.readings:
            self.say(f"filling in {self.options.readings} readings")
            await asyncio.to_thread(fill, addresses.stack.database_url, self.options.readings)
        return Fleet.model_validate_json(fleet_file.read_text(encoding="utf-8"))

    async def _follow(self, supervisor: Supervisor, addresses: Addresses, load: Load) -> None:
        """The follower takes its first backup while devices send."""
        self.say("the first backup, under load")
        began = time.monotonic()
        words = ("--to", str(self.folder / "backups"), "--follow")
        command = (sys.executable, "-m", "anxin", "backup", *words)
        await supervisor.start(Program("follower", command, addresses.environment()))
        store = BackupStore(self.folder / "backups")
        while not store.backups():
            await load.send_for(0.5)
            if time.monotonic() - began > 600:
                raise StackError(f"no backup within ten minutes; look into {self.folder / 'logs/follower.log'}")
        self.facts["backup_seconds"] = round(time.monotonic() - began, 1)
        self.facts["backup_bytes"] = store.backups()[0].bytes
        if self.options.synchronous:
            await asyncio.to_thread(make_synchronous, addresses.stack.database_url, store)

    async def _lose_and_restore(self, supervisor: Supervisor, addresses: Addresses, load: Load) -> None:
        self.say(f"{self.options.seconds:g} s of {self.options.per_second:g} messages a second")
        # Devices do not know that a database died: they go on while it is away.
        sending = asyncio.create_task(load.send_for(self.options.seconds + 3))
        await asyncio.sleep(self.options.seconds)
        lost_at = await asyncio.to_thread(destroy, addresses.stack)
        self.say("the database is gone")
        promised = [sent for sent in load.sent.values() if sent.receipt_at is not None and not sent.refused]
        await supervisor.stop("follower")
        # Ingest goes on: it takes messages into its spool. The others have nothing to do without a database.
        others = asyncio.create_task(supervisor.stop_all(("engine-1", "broker-sync")))
        restored = await asyncio.to_thread(self._restore)
        stack = await asyncio.to_thread(servers.start_database, self.folder / "restored")
        self.facts |= recovery_point(lost_at, promised, await asyncio.to_thread(stored, stack.database_url))
        self._note(restored)
        back_at = time.time()
        elsewhere = replace(addresses, stack=replace(addresses.stack, database_url=stack.database_url))
        await asyncio.gather(others, supervisor.stop("ingest-1"))
        for program in parts(elsewhere, _PARTS):
            await supervisor.start(program)
        await sending
        unanswered = await load.send_again_until_all_have_receipts(_SETTLE_S)
        answered = [sent.receipt_at for sent in load.sent.values() if sent.receipt_at and sent.receipt_at > back_at]
        self.facts["rto_seconds"] = round(min(answered) - lost_at, 1) if answered else None
        self.facts["unanswered"] = unanswered
        self.facts |= await asyncio.to_thread(final_count, stack.database_url, list(load.sent.values()))

    def _restore(self) -> Restored:
        return restore(
            self.folder / "backups", self.folder / "restored", until=None, head_file=None, progress=self._progress
        )

    def _progress(self, text: str) -> None:
        if not text.startswith("replaying"):
            self.say(text)

    def _note(self, restored: Restored) -> None:
        store = BackupStore(self.folder / "backups")
        self.facts["restore_seconds"] = round(restored.seconds, 1)
        self.facts["log_bytes"] = sum(file.stat().st_size for file in store.segments().values())
        self.facts["problems"] = restored.content.problems + restored.log_trouble
        self.facts["rows"] = restored.content.rows


def judge(facts: dict[str, Any]) -> list[str]:
    """What went wrong; [] when only what `rpo_events` admits is missing."""
    wrong = list(facts["problems"])
    if facts["missing"] != facts["rpo_events"]:
        wrong.append(
            f"{facts['missing']} events are missing in the end, {facts['rpo_events']} were lost with the server"
        )
    for count, meaning in (
        ("doubled", "events are stored twice"),
        ("unanswered", "events never got a receipt"),
        ("presses_not_rung", "presses rang no alert"),
    ):
        if facts[count]:
            wrong.append(f"{facts[count]} {meaning}")
    return wrong


def main(argv: list[str] | None = None) -> int:
    """0: as promised; 1: something is lost, doubled or silent beyond it; 2: the drill could not be run."""
    options = _parser().parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="anxin-drill-", dir="/tmp"))  # not TMPDIR: the servers' user must reach it
    folder.chmod(0o755)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.disable(logging.WARNING)  # devices that wait for their credentials, servers that are gone: all meant
    try:
        facts = asyncio.run(Drill(options, folder, say).run())
    except StackError as error:
        print(f"anxin backup drill: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        logging.disable(logging.NOTSET)
        if not options.keep_folder:
            shutil.rmtree(folder, ignore_errors=True)
    wrong = judge(facts)
    print(json.dumps({**facts, "wrong": wrong}) if options.json else _report(facts, wrong))
    return 1 if wrong else 0


def _report(facts: dict[str, Any], wrong: list[str]) -> str:
    lines = [f"{name:<18} {value}" for name, value in facts.items()]
    return "\n".join([*lines, *(f"WRONG: {sentence}" for sentence in wrong)])


def _ports() -> dict[str, int]:
    ports: dict[str, int] = {}
    for name in _PARTS:
        while name not in ports:
            port = choose_port(0, 0, name, "")
            if port not in ports.values():
                ports[name] = port
    return ports


async def _once(command: tuple[str, ...], addresses: Addresses) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **addresses.environment()},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise StackError(f"{' '.join(command[2:5])} failed: {last[0]}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin backup drill",
        description="Lose a database on purpose, on servers of its own, restore it, and count what is missing.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=float, default=20, metavar="S", help="load before the loss (default: 20)")
    add("--per-second", type=float, default=300, metavar="N", help="messages a second (default: 300)")
    add("--homes", type=int, default=20, metavar="N", help="homes whose devices send (default: 20)")
    add("--readings", type=int, default=0, metavar="N", help="readings stored before, for a database of some size")
    add("--synchronous", action="store_true", help="let every commit wait for the follower")
    add("--keep-folder", action="store_true", help="leave data, backups and logs behind in /tmp")
    add("--json", action="store_true", help="one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
