"""The command `anxin`: one table from a word to the program behind it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from core.errors import AnxinError

Main = Callable[[list[str] | None], int]


@dataclass(frozen=True, slots=True)
class Command:
    """`target` is `module:function`; it is imported only when asked for, so that `anxin --help` answers at once."""

    target: str
    purpose: str

    def load(self) -> Main:
        module, _, function = self.target.partition(":")
        main: Main = getattr(import_module(module), function)
        return main


COMMANDS: dict[str, Command] = {
    "demo": Command("stack.demo:main", "run the whole platform here with a fictional town"),
    "stack": Command("stack.__main__:main", "PostgreSQL with TimescaleDB and Mosquitto without Docker"),
    "backup": Command("stack.backup:main", "copy the database, stream its log, rehearse its loss"),
    "restore": Command("stack.restore:main", "bring a backup back into a new data folder, checked"),
    "migrate": Command("anxin.migrate:main", "bring the database up to this version"),
    "ingest": Command("ingest.__main__:main", "take device messages from the broker into the database"),
    "alerts": Command("alerts.__main__:main", "the alert engine: deadlines, sealing, housekeeping"),
    "history": Command("history.__main__:main", "roll readings up, repair them for late data, drop what is too old"),
    "api": Command("api.__main__:main", "HTTP API, live stream and the plain page"),
    "broker-sync": Command("registry.broker_sync_cli:main", "keep the broker's credentials equal to the registry"),
    "gateway": Command("gateway.__main__:main", "send events from a hub or a bridge and wait for receipts"),
    "simulate": Command("simulators.__main__:main", "simulated homes with hubs and wearables"),
    "replay": Command("anxin.replay:main", "play a recording through the broker; store dead letters after all"),
    "bench": Command("simulators.bench_cli:main", "measure the running platform beside its limits"),
    "chaos": Command("simulators.chaos_cli:main", "kill, cut and fill under load, then count what is missing"),
    "top": Command("anxin.top.__main__:main", "a running platform in the terminal, once a second"),
    "place": Command("registry.place_cli:main", "regions and service centres"),
    "account": Command("registry.account_cli:main", "accounts, roles and passwords"),
    "device": Command("registry.device_cli:main", "devices, bindings and credentials"),
    "audit": Command("anxin.audit:main", "is the access log whole, does the sum of what was received close?"),
    "town": Command("registry.town_cli:main", "the fictional town of the demo"),
}

EXAMPLE = """
example:
  anxin demo --homes 20          the platform with a small town, on this machine
  anxin stack start              only the servers
  anxin device create --help     what a command takes
"""


def usage() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {word:<{width}}{command.purpose}" for word, command in COMMANDS.items()]
    return "usage: anxin COMMAND [options]\n\ncommands:\n" + "\n".join(lines) + "\n" + EXAMPLE


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 failed, 2 could not be done as asked (one sentence on stderr says why)."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0
    command = COMMANDS.get(words[0])
    if command is None:
        print(f"anxin: there is no command {words[0]!r}; see: anxin --help", file=sys.stderr)
        return 2
    try:
        return command.load()(words[1:])
    except AnxinError as error:
        print(f"anxin {words[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
