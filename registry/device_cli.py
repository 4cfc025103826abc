"""`anxin device`: devices, bindings and credentials from a terminal."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from core.runtime.clock import Clock
from core.store.pool import Connection
from registry import bindings, device_models, devices
from registry.command_connection import command_connection

EXAMPLE = """example:
  anxin device create --model sos-watch
  anxin device bind dv-7f3k9q2m --elder 0198c0de-0000-7000-8000-000000000001 --zone bedroom

Every command answers with one JSON object a line. ANXIN_DATABASE_URL names the database.
"""

Run = Callable[[Connection, argparse.Namespace, datetime], Awaitable[list[Any]]]


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    for line in asyncio.run(_run(options)):
        sys.stdout.write(json.dumps(line, ensure_ascii=False, default=_plain) + "\n")
    return 0


async def _run(options: argparse.Namespace) -> list[Any]:
    run: Run = options.run
    async with command_connection("device") as conn:
        return await run(conn, options, Clock().now())


async def _create(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    await device_models.seed_models(conn, now)
    made = await devices.create(
        conn,
        device_id=options.id,
        model=options.model,
        hub_id=options.hub,
        centre_id=options.centre,
        with_credential=True if options.with_credential else None,
        now=now,
    )
    return [{"id": made.device.id, "username": made.username, "password": made.password}]


async def _list(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    found = await devices.list_(
        conn, now=now, hub_id=options.hub, elder_id=options.elder, lifecycle=options.lifecycle, after=options.after,
        limit=options.limit,
    )  # fmt: skip
    return [asdict(device) for device in found]


async def _models(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    await device_models.seed_models(conn, now)
    return [asdict(model) for model in await device_models.list_models(conn)]


async def _bind(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    made = await bindings.bind(
        conn, options.id, elder_id=options.elder, dwelling_id=options.dwelling, zone=options.zone,
        from_=getattr(options, "from"), until=options.until, now=now,
    )  # fmt: skip
    return [_binding(made)]


async def _unbind(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    return [_binding(await bindings.unbind(conn, options.id, options.at or now))]


async def _retire(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    return [asdict(await devices.retire(conn, options.id, now))]


async def _revoke(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    await devices.revoke_credential(conn, options.id, now)
    return [{"id": options.id, "revoked": True}]


async def _reissue(conn: Connection, options: argparse.Namespace, now: datetime) -> list[Any]:
    made = await devices.reissue(conn, options.id, now)
    return [{"id": made.device.id, "username": made.username, "password": made.password}]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin device",
        description="Devices, their bindings and their credentials for the broker.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = parser.add_subparsers(required=True, metavar="COMMAND")

    create = _word(words, "create", _create, "make a device; its password is shown this once", "create --model hub")
    create.add_argument("--model", required=True, help="name of a device model, see: anxin device models")
    create.add_argument("--id", help="the device's id; left out: a short random one")
    create.add_argument("--hub", metavar="ID", help="the hub it speaks through; it then has no password of its own")
    create.add_argument("--centre", type=UUID, metavar="UUID", help="the centre whose stock it is")
    create.add_argument("--with-credential", action="store_true", help="a password of its own though it has a hub")

    listing = _word(words, "list", _list, "devices by id", "list --hub dv-7f3k9q2m")
    listing.add_argument("--hub", metavar="ID", help="only children of this hub")
    listing.add_argument("--elder", type=UUID, metavar="UUID", help="only devices bound to this elder now")
    listing.add_argument("--lifecycle", choices=devices.LIFECYCLES, help="only devices in this state")
    listing.add_argument("--after", metavar="ID", help="go on behind this id")
    listing.add_argument("--limit", type=_limit, default=100, help="at most so many (1 to 10000; default 100)")

    _word(words, "models", _models, "the device models there are", "models")

    bind = _word(
        words, "bind", _bind, "say whom a device stands for", "bind dv-7f3k9q2m --dwelling UUID --zone kitchen"
    )
    bind.add_argument("id", help="the device")
    subject = bind.add_mutually_exclusive_group(required=True)
    subject.add_argument("--elder", type=UUID, metavar="UUID", help="the elder who wears or presses it")
    subject.add_argument("--dwelling", type=UUID, metavar="UUID", help="the dwelling it is mounted in")
    bind.add_argument("--zone", help="the room, by name or kind; a new name adds the room")
    bind.add_argument("--from", type=_moment, metavar="TIME", help="RFC 3339 with offset; left out: now")
    bind.add_argument("--until", type=_moment, metavar="TIME", help="RFC 3339 with offset; left out: open")

    unbind = _word(words, "unbind", _unbind, "end the binding of a device", "unbind dv-7f3k9q2m")
    unbind.add_argument("id", help="the device")
    unbind.add_argument("--at", type=_moment, metavar="TIME", help="RFC 3339 with offset; left out: now")

    for name, run, purpose in (
        ("retire", _retire, "take a device out of service for good"),
        ("revoke", _revoke, "close the broker to a device; disconnected within 5 s"),
        ("reissue-credential", _reissue, "a new password, shown this once; the old one ends"),
    ):
        _word(words, name, run, purpose, f"{name} dv-7f3k9q2m").add_argument("id", help="the device")
    return parser


def _word(
    words: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Run, purpose: str, example: str
) -> argparse.ArgumentParser:
    parser = words.add_parser(
        name,
        aliases=["reissue"] if name == "reissue-credential" else [],
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example:\n  anxin device {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time with an offset, such as 2026-03-01T08:00:00+08:00")
    return moment


def _limit(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError("a whole number from 1 to 10000")
    return int(text)


def _binding(binding: bindings.Binding) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in asdict(binding).items()}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
