"""The programs of the demo, in the order they start and stop, and what each is told."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.servers import RunningStack
from stack.supervisor import Program

# Against the data's flow nothing would have a place to go: first the sources fall silent, then what they sent is
# stored, then nobody looks any more. A kind of part stops with all its numbered ones.
STOP_ORDER = ("fleet", "ingest", "engine", "history", "api", "broker-sync")
EVERY_PART = "*"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything of one demo is.

    `ports`: part name → port it answers on (its status pages; the API's is the API itself). `overrides`: part name or
    `*` for all → environment that wins over what the demo would say, e.g. to put a proxy between a part and a server.
    """

    stack: RunningStack
    secrets: Mapping[str, str]
    ports: Mapping[str, int]
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def live_url(self) -> str:
        return f"{self.api_url.replace('http', 'ws', 1)}/api/v1/live"

    @property
    def status_urls(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    def environment(self, part: str = "") -> dict[str, str]:
        """What every part is told, and what `part` alone is."""
        return {
            **self.secrets,
            "ANXIN_DATABASE_URL": self.stack.database_url,
            "ANXIN_MQTT_URL": self.stack.mqtt_url,
            "ANXIN_API_HOST": "127.0.0.1",
            "ANXIN_API_DEMO": "true",
            "ANXIN_BROKER_PASSWORD_FILE": str(self.stack.passwd_file),
            "ANXIN_ACCESS_SEAL_HEAD_FILE": str(self.stack.data_dir / "access-seal-head"),
            "ANXIN_INGEST_SPOOL_DIR": str(self.stack.data_dir / "spool"),
            "ANXIN_PLATFORM_DISK_FOLDERS": str(self.stack.data_dir),
            "ANXIN_INGEST_WORKERS": str(max(1, sum(kind_of(name) == "ingest" for name in self.ports))),
            "PYTHONUNBUFFERED": "1",
            **self._port_of(part),
            **self.overrides.get(EVERY_PART, {}),
            **self.overrides.get(part, {}),
        }

    def _port_of(self, part: str) -> dict[str, str]:
        variable = _PORT_VARIABLE.get(kind_of(part))
        return {variable: str(self.ports[part])} if variable else {}


_PORT_VARIABLE = {
    "api": "ANXIN_API_PORT",
    "ingest": "ANXIN_INGEST_STATUS_PORT",
    "engine": "ANXIN_ENGINE_STATUS_PORT",
    "history": "ANXIN_HISTORY_STATUS_PORT",
}


def kind_of(part: str) -> str:
    """`ingest` of `ingest-2`: what numbered parts have in common."""
    kind, _, number = part.rpartition("-")
    return kind if number.isdigit() else part


def numbered(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(1, count + 1)]


def part_names(ingest_workers: int, engines: int) -> list[str]:
    """In the order they start: credentials first, so that devices can connect as soon as somebody listens."""
    return ["broker-sync", "api", "history", *numbered("engine", engines), *numbered("ingest", ingest_workers)]


def _anxin(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "anxin", *words)


def _command(part: str) -> tuple[str, ...]:
    number = part.rpartition("-")[2]
    match kind_of(part):
        case "ingest":
            return _anxin("ingest", "--worker", number)
        case "engine":
            return _anxin("alerts", "--engine", number)
    return _anxin(part)


def seed_command(homes: int, seed: int, town_file: Path, fleet_file: Path) -> tuple[str, ...]:
    sizes = ("--homes", str(homes), "--seed", str(seed))
    return _anxin("town", "seed", *sizes, "--ready-part", str(town_file), "--fleet-file", str(fleet_file))


def parts(addresses: Addresses, names: list[str]) -> tuple[Program, ...]:
    """The platform's programs."""
    return tuple(Program(name, _command(name), addresses.environment(name)) for name in names)


def fleet(addresses: Addresses, fleet_file: Path) -> Program:
    """The simulated homes; they begin with a press, a fall and smoke, so that a newcomer sees an alert at once."""
    broker = ("--host", addresses.stack.mqtt_host, "--port", str(addresses.stack.mqtt_port))
    words = ("simulate", "--fleet-file", str(fleet_file), "--scenario", "first-minute", *broker)
    return Program("fleet", _anxin(*words), addresses.environment("fleet"))


def stop_order(running: list[str]) -> tuple[str, ...]:
    """The names of `running` in the order they stop; an unknown kind would be left behind, so it raises ValueError."""
    return tuple(sorted(running, key=lambda name: STOP_ORDER.index(kind_of(name))))
