"""`anxin audit`: is the access log whole?"""

import argparse
import asyncio
import sys
from pathlib import Path

from core.runtime.crypto import Keyring
from core.runtime.settings import KeySettings
from registry import access_log
from registry.command_connection import command_connection

EXAMPLE = """example:
  anxin audit verify --head-file /var/lib/anxin/access-seal-head
"""


def main(argv: list[str] | None = None) -> int:
    """0: nothing was edited, deleted or slipped in; 1: something was, a line each."""
    options = _parser().parse_args(argv)
    problems = asyncio.run(_verify(options.head_file))
    sys.stdout.write("\n".join(problems or ["the access log is whole"]) + "\n")
    return 1 if problems else 0


async def _verify(head_file: Path) -> list[str]:
    keyring = Keyring.from_settings(KeySettings.load())
    async with command_connection("audit") as conn:
        return await access_log.verify(conn, keyring, head_file)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="anxin audit", description="The access log and its seals.", epilog=EXAMPLE, formatter_class=raw
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="recompute the chain of seals", epilog=EXAMPLE, formatter_class=raw)
    verify.add_argument("--head-file", type=Path, required=True, help="the engine's ANXIN_ACCESS_SEAL_HEAD_FILE")
    return parser
