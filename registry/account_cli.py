"""`anxin account`: accounts, roles and passwords, for whoever may reach the database."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from uuid import UUID

from core.runtime.clock import Clock
from core.store.pool import Connection
from registry import accounts
from registry.access import Role
from registry.accounts import Account, RoleGrant
from registry.command_connection import command_connection

EXAMPLE = """example:
  anxin account create li.operator --role operator --centre 0198f6f0-… --display-name "坐席 3"
  anxin account grant li.operator shift_supervisor --centre 0198f6f0-…
  anxin account reset-password li.operator
  anxin account disable li.operator

A new password is printed once and stored only as a hash.
"""

Work = Callable[[Connection, argparse.Namespace, Clock], Awaitable[str]]


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    sys.stdout.write(f"{asyncio.run(_run(options))}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin account",
        description="Accounts, roles and passwords.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, purpose: str, work: Work, *, named: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            epilog=EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(work=work)
        if named:
            made.add_argument("username")
        return made

    create = command("create", "make an account and print its password", _create)
    create.add_argument("--role", type=Role, choices=list(Role), required=True, metavar="ROLE", help=_roles())
    create.add_argument("--display-name", help="the seat's name, never a private person's")
    create.add_argument("--locale", choices=("zh-CN", "en"), default="zh-CN")
    _add_place(create)
    grant = command("grant", "give a role", _grant)
    grant.add_argument("role", type=Role, choices=list(Role), metavar="ROLE", help=_roles())
    _add_place(grant)
    revoke = command("revoke", "end a role, at one centre or everywhere", _revoke)
    revoke.add_argument("role", type=Role, choices=list(Role), metavar="ROLE", help=_roles())
    revoke.add_argument("--centre", type=UUID, help="only at this centre")
    command("reset-password", "print a new password; every session of the account ends", _reset)
    command("disable", "refuse the account from now on", _disable)
    command("enable", "let a disabled account in again", _enable)
    command("list", "every account with the roles it holds now", _list, named=False)
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--centre", type=UUID, help="id of the centre a staff role is held at")
    parser.add_argument("--region", help="12-digit code of the region a regulator watches over")


def _roles() -> str:
    return ", ".join(Role)


async def _run(options: argparse.Namespace) -> str:
    async with command_connection("account") as conn:
        work: Work = options.work
        return await work(conn, options, Clock())


async def _create(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    account, password = await accounts.create(
        conn,
        options.username,
        None,
        [RoleGrant(options.role, options.centre, options.region)],
        clock.now(),
        display_name=options.display_name,
        locale=options.locale,
    )
    return f"{account.username}\t{password}"


async def _grant(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    await accounts.grant(conn, options.username, RoleGrant(options.role, options.centre, options.region), clock.now())
    return f"{options.username} is {options.role} now"


async def _revoke(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    ended = await accounts.revoke(conn, options.username, options.role, clock.now(), options.centre)
    return f"{ended} grants of {options.role} ended"


async def _reset(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    password = await accounts.reset_password(conn, options.username, clock.now())
    return f"{options.username}\t{password}"


async def _disable(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    await accounts.disable(conn, options.username, clock.now())
    return f"{options.username} is disabled"


async def _enable(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    await accounts.enable(conn, options.username, clock.now())
    return f"{options.username} is enabled"


async def _list(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    return "\n".join(_line(account) for account in await accounts.list_(conn, clock.now())) or "there are no accounts"


def _line(account: Account) -> str:
    state = "disabled" if account.disabled_at else "in use"
    return f"{account.username:<20} {state:<9} {', '.join(account.roles) or 'no role'}"
