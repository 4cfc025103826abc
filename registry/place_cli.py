"""`anxin place`: regions and service centres, which everything else belongs to."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

import psycopg

from core.domain.ids import new_id
from core.errors import AnxinError
from core.runtime.clock import Clock
from core.store.pool import Connection
from registry import organisations, regions
from registry.command_connection import command_connection
from registry.organisations import Centre
from registry.regions import Region

EXAMPLE = """example:
  anxin place add-region 360000000000 --name 江西省 --time-zone Asia/Shanghai
  anxin place add-region 360100000000 --name 南昌市 --time-zone Asia/Shanghai
  anxin place add-centre --name 青山湖救援中心 --region 360100000000 --takes-unidentified
  anxin place list 360000000000

Regions are added from the top: a county's city must be there before it. Exactly one centre answers for devices of
nobody we know (--takes-unidentified).
"""

Work = Callable[[Connection, argparse.Namespace, Clock], Awaitable[str]]


def main(argv: list[str] | None = None) -> int:
    """0: done, the id of a new centre is printed. Errors are AnxinError, one sentence each."""
    options = _parser().parse_args(argv)
    try:
        sys.stdout.write(f"{asyncio.run(_run(options))}\n")
    except psycopg.IntegrityError as error:
        raise AnxinError(
            f"The registry refuses it: {error.diag.message_detail or error.diag.message_primary}"
        ) from None
    return 0


async def _run(options: argparse.Namespace) -> str:
    async with command_connection("place") as conn:
        work: Work = options.work
        return await work(conn, options, Clock())


async def _add_region(conn: Connection, options: argparse.Namespace, _clock: Clock) -> str:
    region = Region(options.code, options.name, options.time_zone, options.urban_rural)
    await regions.insert(conn, [region], allow_test_region=options.fictional)
    return f"{options.code} is here now"


async def _add_centre(conn: Connection, options: argparse.Namespace, clock: Clock) -> str:
    now = clock.now()
    centre = Centre(
        id=new_id(now),
        name=options.name,
        region_code=options.region,
        hotlines=tuple(options.hotline),
        takes_unidentified=options.takes_unidentified,
    )
    await regions.get(conn, options.region)
    await organisations.insert_centres(conn, [centre], now)
    return str(centre.id)


async def _list(conn: Connection, options: argparse.Namespace, _clock: Clock) -> str:
    found = await regions.subtree(conn, options.code)
    return "\n".join(f"{region.code}\t{region.time_zone}\t{region.name}" for region in found)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="anxin place", description="Regions and service centres.", epilog=EXAMPLE, formatter_class=raw
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    region = commands.add_parser("add-region", help="add a region", epilog=EXAMPLE, formatter_class=raw)
    region.set_defaults(work=_add_region)
    region.add_argument("code", help="12 digits (GB/T 2260 and below), padded with zeros")
    region.add_argument("--name", required=True)
    region.add_argument("--time-zone", default="Asia/Shanghai", help="IANA name (default: %(default)s)")
    region.add_argument("--urban-rural", metavar="CLASS", help="three-digit class of a village")
    region.add_argument("--fictional", action="store_true", help="allow codes 99…, which no real place has")
    centre = commands.add_parser(
        "add-centre", help="add a centre and print its id", epilog=EXAMPLE, formatter_class=raw
    )
    centre.set_defaults(work=_add_centre)
    centre.add_argument("--name", required=True)
    centre.add_argument("--region", required=True, help="12-digit code of its region")
    centre.add_argument("--hotline", action="append", default=[], help="phone number; may be given again")
    centre.add_argument("--takes-unidentified", action="store_true", help="answers for devices of nobody we know")
    listing = commands.add_parser("list", help="a region and all below it", epilog=EXAMPLE, formatter_class=raw)
    listing.set_defaults(work=_list)
    listing.add_argument("code")
    return parser
