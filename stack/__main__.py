"""`anxin stack`: the real broker and the real database on this machine, without Docker and without root."""

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from stack import servers
from stack.errors import StackError
from stack.fetch import Progress
from stack.paths import default_cache_dir, default_data_dir, stack_paths

FAILED = 2
STOPPED = 3


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand. 0: done; 2: could not, the sentence on stderr says why; 3: `status` of a stopped stack."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except StackError as error:
        print(f"anxin stack: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("anxin stack: interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "install":
        with shown_progress() as progress:
            paths = servers.install(progress)
        print(f"programs: {paths.root}")
        return 0
    folder: Path = arguments.data_dir
    if arguments.command == "start":
        with shown_progress() as progress:
            running = servers.start(folder, pg_port=arguments.pg_port, mqtt_port=arguments.mqtt_port, progress=progress)
        _print_status(running)
        return 0
    if arguments.command == "stop":
        with shown_progress() as progress:
            servers.stop(folder, progress)
        return 0
    return _report(arguments.command, folder)


def _report(command: str, folder: Path) -> int:
    stack = servers.status(folder)
    if stack is None:
        raise StackError(f"{folder} holds no stack yet; run `anxin stack start --data-dir {folder}` first")
    if command == "env":
        print(f"export ANXIN_DATABASE_URL={shlex.quote(stack.database_url)}")
        print(f"export ANXIN_MQTT_URL={shlex.quote(stack.mqtt_url)}")
        programs = stack_paths(default_cache_dir())
        folders = f"{programs.pg_bin}:{programs.mosquitto_pub_bin.parent}"
        print(f'export PATH="$PATH":{shlex.quote(folders)}')
        return 0
    _print_status(stack)
    return 0 if stack.postgres_pid and stack.mosquitto_pid else STOPPED


def _print_status(stack: servers.RunningStack) -> None:
    pg_port = stack.database_url.rpartition(":")[2].partition("/")[0]
    for name, port, pid in (
        ("PostgreSQL", pg_port, stack.postgres_pid),
        ("Mosquitto", stack.mqtt_port, stack.mosquitto_pid),
    ):
        print(f"{name:<11} {f'runs on {stack.mqtt_host}:{port}, process {pid}' if pid else 'stopped'}")
    print(f"{'data':<11} {stack.data_dir}")


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A spinner with the current step on a terminal; elsewhere one line a step, without the counting ones."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status("looking at the cache") as spinner:
            yield lambda message: spinner.update(message)
        return
    last = ""

    def line(message: str) -> None:
        nonlocal last
        if message != last and not re.search(r" \d+ of \d+", message):
            print(message, file=sys.stderr, flush=True)
            last = message

    yield line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin stack",
        description="Real PostgreSQL 17 with TimescaleDB and real Mosquitto 2 on this machine, no Docker, no root.",
        epilog='example:\n  anxin stack start\n  eval "$(anxin stack env)"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _command(commands, "install", "fetch the server programs into the cache, or repair them")
    start = _command(commands, "start", "start both servers; they go on running", "--pg-port 15432 --mqtt-port 1883")
    for option, server in (("--pg-port", "PostgreSQL"), ("--mqtt-port", "Mosquitto")):
        start.add_argument(
            option, type=port, default=0, metavar="P", help=f"port of {server} (default: as before, else a free one)"
        )
    stop = _command(commands, "stop", "stop both servers; the data stays")
    status = _command(commands, "status", "say what runs; exit code 3 if something does not")
    env = _command(commands, "env", "print shell lines that set the servers' URLs and find psql and mosquitto_pub")
    for command in (start, stop, status, env):
        command.add_argument(
            "--data-dir", type=Path, default=default_data_dir(), metavar="D", help="data folder (default: %(default)s)"
        )
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, example: str = ""
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  anxin stack {name} {example}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def port(text: str) -> int:
    """A port of the command line; 0 means a free one."""
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port; ports are 1 to 65535, 0 means a free one")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
