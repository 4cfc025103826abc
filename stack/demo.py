"""`anxin demo`: servers, every part of the platform and a fictional town, supervised on this machine.

Loopback only, whatever the environment says: the town's passwords are made for a look around, not for a network.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import AnxinError, ConfigurationError
from stack import servers
from stack.__main__ import port, shown_progress
from stack.demo_parts import Addresses, fleet, kind_of, part_names, parts, seed_command, stop_order
from stack.demo_ready import ready_document, wait_until_ready
from stack.demo_roll import Roll, read_overrides
from stack.demo_secrets import demo_secrets, write_private
from stack.errors import PortTaken, StackError
from stack.paths import default_cache_dir, default_data_dir, stack_paths
from stack.state import PortClaims, choose_port, port_is_free
from stack.supervisor import Supervisor

_LOOPBACK = frozenset({"", "127.0.0.1", "localhost", "::1"})
_SERVER_WATCH_S = 1.0
_HOSTS = (
    "ANXIN_API_HOST",
    "ANXIN_INGEST_STATUS_HOST",
    "ANXIN_ENGINE_STATUS_HOST",
    "ANXIN_HISTORY_STATUS_HOST",
)
_USUAL_PORT = {"ingest": 9101, "engine": 9102, "history": 9105}

Pid = Callable[[servers.RunningStack], int]


@dataclass(frozen=True, slots=True)
class Options:
    homes: int
    seed: int
    api_port: int
    mqtt_port: int
    data_dir: Path
    ready_file: Path
    with_fleet: bool
    ingest_workers: int
    engines: int
    part_env_file: Path | None


def main(argv: list[str] | None = None) -> int:
    """Runs until it is asked to stop. 0: stopped as asked; 2: could not start, one sentence says why."""
    options = _options(_parser().parse_args(argv))
    try:
        _refuse_open_addresses()
        return asyncio.run(_Demo(options).run())
    except (StackError, AnxinError) as error:
        print(f"anxin demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _refuse_open_addresses() -> None:
    for variable in _HOSTS:
        if os.environ.get(variable, "") not in _LOOPBACK:
            raise ConfigurationError(
                f"{variable} is set to an address others can reach; the demo answers on this machine only. "
                f"Unset {variable}, or run the parts as docs/runbook.md describes."
            )


class _Demo:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.began = time.monotonic()
        self.asked_to_stop = asyncio.Event()
        log_dir = options.data_dir / "logs"
        self.log_dir = log_dir
        self.claims = PortClaims()
        self.roll = Roll(options.data_dir / "parts.json")
        self.supervisor = Supervisor(log_dir, self.say, self.roll.started)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr, flush=True)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.asked_to_stop.set)
        stack = await asyncio.to_thread(self._start_servers)
        self.options.ready_file.unlink(missing_ok=True)
        self.log_dir.mkdir(mode=0o700, exist_ok=True)
        watch = asyncio.create_task(self._keep_servers())
        try:
            await self._start_parts(stack)
            await self.asked_to_stop.wait()
            self.say("stopping")
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self.supervisor.stop_all(stop_order(list(self.supervisor.processes)))
            await asyncio.to_thread(servers.stop, self.options.data_dir)
            self.options.ready_file.unlink(missing_ok=True)
            self.roll.close()
            self.claims.close()
        self.say("stopped")
        return 0

    def _start_servers(self) -> servers.RunningStack:
        with shown_progress() as progress:
            stack = servers.start(self.options.data_dir, mqtt_port=self.options.mqtt_port, progress=progress)
        self.say("database and broker answer")
        return stack

    async def _keep_servers(self) -> None:
        """A server that dies is started again, as an operating system's service manager would."""
        starts: tuple[tuple[str, Pid, Callable[[Path], servers.RunningStack]], ...] = (
            ("database", lambda stack: stack.postgres_pid, servers.start_database),
            ("broker", lambda stack: stack.mosquitto_pid, servers.start_broker),
        )
        while True:
            await asyncio.sleep(_SERVER_WATCH_S)
            stack = await asyncio.to_thread(servers.status, self.options.data_dir)
            for name, pid, start in starts:
                if stack is not None and not pid(stack):
                    self.say(f"the {name} ended; restarting")
                    try:
                        self.roll.started(name, pid(await asyncio.to_thread(start, self.options.data_dir)))
                    except StackError as error:
                        self.say(f"the {name} could not be restarted: {error}")

    async def _start_parts(self, stack: servers.RunningStack) -> None:
        folder = self.options.data_dir
        names = part_names(self.options.ingest_workers, self.options.engines)
        addresses = Addresses(
            stack=stack,
            secrets=demo_secrets(folder),
            ports=_ports(names, self.options.api_port, self.claims),
            overrides=read_overrides(self.options.part_env_file),
        )
        self.roll.open(addresses.ports)
        self.roll.started("database", stack.postgres_pid)
        self.roll.started("broker", stack.mosquitto_pid)
        await self._once("schema", (sys.executable, "-m", "anxin", "migrate"), addresses)
        town_file, fleet_file = folder / "town.json", folder / "fleet.json"
        if not (town_file.exists() and fleet_file.exists()):
            self.say(f"seeding a fictional town of {self.options.homes} homes")
            command = seed_command(self.options.homes, self.options.seed, town_file, fleet_file)
            await self._once("seed", command, addresses)
        for program in parts(addresses, names):
            await self.supervisor.start(program)
        await wait_until_ready(addresses, self.asked_to_stop, self.say)
        if self.asked_to_stop.is_set():
            return
        town = json.loads(town_file.read_text(encoding="utf-8"))
        write_private(self.options.ready_file, json.dumps(ready_document(addresses, town), indent=2))
        if self.options.with_fleet:
            await self.supervisor.start(fleet(addresses, fleet_file))
        self._welcome(addresses, town)

    async def _once(self, name: str, command: tuple[str, ...], addresses: "Addresses") -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **addresses.environment()},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        if process.returncode:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise StackError(f"the step '{name}' failed: {last[0]}")

    def _welcome(self, addresses: "Addresses", town: dict[str, Any]) -> None:
        operator = town["accounts"]["operator"]
        programs = stack_paths(default_cache_dir())
        publish = shutil.which("mosquitto_pub") or programs.mosquitto_pub_bin
        psql = shutil.which("psql") or programs.psql_bin
        spare = town["spare_device"]
        newest = "SELECT seq, type, at FROM alert_event ORDER BY seq DESC LIMIT 5"
        self.say("the town is running; stop it with Ctrl-C")
        print(
            f"""
  open          {addresses.api_url}/plain
  sign in       {operator["username"]}  {operator["password"]}
  all accounts  {self.options.ready_file}
  press a button:
    {publish} -h 127.0.0.1 -p {addresses.stack.mqtt_port} -u {spare["username"]} -P {spare["password"]} -q 1 \\
      -t anxin/v1/{spare["id"]}/up/alarm -m '{{"type":"sos"}}'
  look at the rows:
    {psql} "{addresses.stack.database_url}" -c '{newest}'
""",
            flush=True,
        )


def _ports(names: list[str], asked_api_port: int, claims: PortClaims) -> dict[str, int]:
    """A port for each part that answers HTTP: the usual one of its kind's first, else any free one, none twice."""
    ports = {"api": _api_port(asked_api_port, claims)}
    for name in names:
        usual = _USUAL_PORT.get(kind_of(name))
        if usual is not None:
            ports[name] = _port(usual, claims)
    return ports


def _api_port(asked: int, claims: PortClaims) -> int:
    """The port asked for, else the usual one, else any free one."""
    if not asked:
        return _port(8080, claims)
    port = choose_port(asked, 0, "the API", "--api-port")
    if not claims.claim(port):
        raise PortTaken(port, "the API", "--api-port")
    return port


def _port(usual: int, claims: PortClaims) -> int:
    if port_is_free(usual) and claims.claim(usual):
        return usual
    while not claims.claim(port := choose_port(0, 0, "a part", "")):
        pass
    return port


def _options(arguments: argparse.Namespace) -> Options:
    folder: Path = arguments.data_dir.absolute()
    return Options(
        homes=arguments.homes,
        seed=arguments.seed,
        api_port=arguments.api_port,
        mqtt_port=arguments.mqtt_port,
        data_dir=folder,
        ready_file=(arguments.ready_file or folder / "ready.json").absolute(),
        with_fleet=not arguments.no_fleet,
        ingest_workers=arguments.ingest_workers,
        engines=arguments.engines,
        part_env_file=arguments.part_env_file,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin demo",
        description="Run the whole platform on this machine with a fictional town. Only this machine can reach it.",
        epilog="example:\n  anxin demo --homes 20 --data-dir /tmp/town --ready-file /tmp/town-ready.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--homes", type=_homes, default=100, metavar="N", help="homes of a new town (default: 100)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of a new town (default: 1)")
    parser.add_argument("--api-port", type=port, default=0, metavar="P", help="port of the API (default: 8080 or free)")
    parser.add_argument(
        "--mqtt-port", type=port, default=0, metavar="P", help="port of the broker (default: a free one)"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=default_data_dir() / "demo",
        metavar="D",
        help="data folder (default: %(default)s)",
    )
    parser.add_argument("--no-fleet", action="store_true", help="no simulated homes: only what you publish happens")
    parser.add_argument(
        "--ready-file", type=Path, metavar="F", help="where addresses and passwords go (default: D/ready.json)"
    )
    parser.add_argument(
        "--ingest-workers", type=_few, default=1, metavar="N", help="ingest workers side by side (default: 1)"
    )
    parser.add_argument("--engines", type=_few, default=1, metavar="N", help="alert engines side by side (default: 1)")
    parser.add_argument(
        "--part-env-file",
        type=Path,
        metavar="F",
        help='environment of single parts, JSON: {"ingest-1": {"ANXIN_…": "…"}, "*": {…}}; pids are in D/parts.json',
    )
    return parser


def _few(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 16")
    return int(text)


def _homes(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 5000:
        raise argparse.ArgumentTypeError(f"{text} is not a number of homes from 1 to 5000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
