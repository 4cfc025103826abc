"""The programs of the demo, in the order they start and stop, and what each is told."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.servers import RunningStack
from stack.supervisor import Program

# Against the data's flow nothing would have a place to go: first the sources fall silent, then what they sent is
# stored, then nobody looks any more.
STOP_ORDER = ("fleet", "ingest", "alerts", "api", "broker-sync")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything of one demo is."""

    stack: RunningStack
    secrets: Mapping[str, str]
    api_port: int
    ingest_status_port: int
    engine_status_port: int

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def environment(self) -> dict[str, str]:
        return {
            **self.secrets,
            "ANXIN_DATABASE_URL": self.stack.database_url,
            "ANXIN_MQTT_URL": self.stack.mqtt_url,
            "ANXIN_API_HOST": "127.0.0.1",
            "ANXIN_API_DEMO": "true",
            "ANXIN_API_PORT": str(self.api_port),
            "ANXIN_INGEST_STATUS_PORT": str(self.ingest_status_port),
            "ANXIN_ENGINE_STATUS_PORT": str(self.engine_status_port),
            "ANXIN_BROKER_PASSWORD_FILE": str(self.stack.passwd_file),
            "ANXIN_ACCESS_SEAL_HEAD_FILE": str(self.stack.data_dir / "access-seal-head"),
            "PYTHONUNBUFFERED": "1",
        }


def _anxin(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "anxin", *words)


def seed_command(homes: int, seed: int, town_file: Path, fleet_file: Path) -> tuple[str, ...]:
    sizes = ("--homes", str(homes), "--seed", str(seed))
    return _anxin("town", "seed", *sizes, "--ready-part", str(town_file), "--fleet-file", str(fleet_file))


def parts(addresses: Addresses, data_dir: Path) -> tuple[Program, ...]:
    """The platform's programs: credentials first, so that devices can connect as soon as somebody listens."""
    environment = addresses.environment()
    return tuple(Program(name, _anxin(name), environment) for name in ("broker-sync", "api", "alerts", "ingest"))


def fleet(addresses: Addresses, fleet_file: Path) -> Program:
    """The simulated homes; they begin with a press, a fall and smoke, so that a newcomer sees an alert at once."""
    broker = ("--host", addresses.stack.mqtt_host, "--port", str(addresses.stack.mqtt_port))
    words = ("simulate", "--fleet-file", str(fleet_file), "--scenario", "first-minute", *broker)
    return Program("fleet", _anxin(*words), addresses.environment())
