"""`anxin town`: the fictional town of the demo."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from core.runtime.clock import Clock
from core.runtime.crypto import Keyring
from core.runtime.settings import KeySettings
from registry.command_connection import command_connection
from registry.town_seed import Town, seed_town

EXAMPLE = """example:
  anxin town seed --homes 100 --seed 7 --ready-part town.json --fleet-file fleet.json

Both files hold passwords that cannot be shown again; they are written with mode 0600. A town that is there already
is left as it is, and the files with it.
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    made = asyncio.run(_seed(options))
    if made:
        sys.stdout.write(f"seeded {options.homes} homes with seed {options.seed}\n")
        return 0
    sys.stdout.write("the town is here already, nothing was changed\n")
    missing = [str(path) for path in (options.ready_part, options.fleet_file) if path and not path.exists()]
    if missing:
        sys.stderr.write(
            f"anxin town: {', '.join(missing)} is gone and its passwords were shown once; start with an empty "
            "database, or renew single ones with: anxin account reset-password, anxin device reissue\n"
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin town",
        description="The fictional town of the demo.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    seed = commands.add_parser(
        "seed",
        help="write the town into an empty registry",
        description="Write the town into an empty registry, whole or not at all.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    seed.add_argument("--homes", type=_homes, default=100, help="how many homes (1 to 100000; default 100)")
    seed.add_argument("--seed", type=int, default=1, help="the number the town is made from (default 1)")
    seed.add_argument("--ready-part", type=Path, help="where the accounts and the spare device go, as JSON")
    seed.add_argument("--fleet-file", type=Path, help="where the simulator's devices go, as JSON")
    return parser


def _homes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError("homes are 1 to 100000")
    return int(text)


async def _seed(options: argparse.Namespace) -> bool:
    """True when the town was made. The files are written inside the transaction: a town whose passwords were lost
    between the commit and the write would be of no use, while files without a town are written again next time."""
    keyring = Keyring.from_settings(KeySettings.load())
    async with command_connection("town") as conn:
        made = await seed_town(conn, keyring, homes=options.homes, seed=options.seed, now=Clock().now())
        if made is not None:
            _write_files(options, made)
    return made is not None


def _write_files(options: argparse.Namespace, town: Town) -> None:
    if options.ready_part:
        write_secret(options.ready_part, town.ready_part())
    if options.fleet_file:
        write_secret(options.fleet_file, town.fleet.model_dump(mode="json"))


def write_secret(path: Path, content: dict[str, Any]) -> None:
    """JSON that only its owner may read, replaced whole."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
