"""Who looked at what of whom, and why: appended plainly, sealed in order a second later, checkable afterwards.

The sealer chains the rows with a keyed hash and writes the newest head to a file outside the database, so that
neither an edited nor a deleted nor a slipped-in row, nor a database rolled back to an earlier day, goes unnoticed.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from core.errors import Unavailable
from core.runtime.crypto import Keyring
from core.store.pool import Connection
from core.store.queries import load_queries
from registry.rows import Row, fetch_all, fetch_one

_FILE = ("registry", "queries_access_log.sql")
_SEAL_LOCK = 0x7365616C  # "seal": one sealer at a time, however many engines run
_MOST_ROWS = 10_000


async def record(
    conn: Connection,
    actor_id: UUID | None,
    action: str,
    subject_kind: str,
    subject_id: str,
    fields: Sequence[str],
    reason: str | None,
    request_id: str | None,
    at: datetime,
) -> None:
    """Append one row. `action`: read, reveal, search, export, change, erase; `actor_id` None is the platform itself.

    Call it before the data is opened and in the same transaction as a change. Searched words are data: name the
    searched fields, never what was typed.
    """
    await conn.execute(
        load_queries(*_FILE)["append"],
        {
            "at": at,
            "actor_id": actor_id,
            "action": action,
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "fields": list(fields),
            "reason": reason,
            "request_id": request_id,
        },
    )


async def seal_pending(conn: Connection, keyring: Keyring, head_file: Path, now: datetime) -> int:
    """Chain every committed row that has no seal yet and write the head file; returns how many rows were sealed.

    `conn` is outside a transaction. Raises Unavailable when the database has lost seals that the head file knows
    (rolled back or tampered with: the file is left as evidence), and when writers hold the log for too long.
    """
    sealed = 0
    up_to = await _newest_settled_id(conn)
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", (_SEAL_LOCK,))
        last = await _last_seal(conn)
        _refuse_going_back(head_file, last)
        while rows := await _unsealed(conn, last, up_to):
            last = await _seal(conn, keyring, last, rows, now)
            sealed += len(rows)
    if last is not None:
        await asyncio.to_thread(_write_head, head_file, last)
    return sealed


async def verify(conn: Connection, keyring: Keyring, head_file: Path) -> list[str]:
    """Recompute the chain from its first row; an empty list says that nothing was edited, deleted or slipped in."""
    problems: list[str] = []
    previous, expected_from = b"", 1
    heads: dict[int, bytes] = {}
    if await fetch_one(conn, load_queries(*_FILE)["below_the_first"]) is not None:
        problems.append("there are rows below number 1, which the log never draws")
    seals = await fetch_all(conn, load_queries(*_FILE)["seals"])
    for seal in seals:
        rows = await fetch_all(
            conn, load_queries(*_FILE)["rows_between"], {"from_id": seal["from_id"], "up_to_id": seal["up_to_id"]}
        )
        where = f"rows {seal['from_id']}–{seal['up_to_id']}"
        if seal["from_id"] != expected_from:
            problems.append(f"seals before {where} are missing")
        if len(rows) != seal["rows"]:
            problems.append(f"{where}: {seal['rows']} rows were sealed, {len(rows)} are there")
        elif keyring.seal(previous, _canonical(seal, rows)) != seal["head"]:
            problems.append(f"{where}: a row or the seal was changed after sealing")
        previous, expected_from = seal["head"], seal["up_to_id"] + 1
        heads[seal["up_to_id"]] = seal["head"]
    return problems + _compare_head(head_file, heads)


def _compare_head(head_file: Path, heads: Mapping[int, bytes]) -> list[str]:
    known = read_head(head_file)
    if known is None:
        return [f"{head_file.name} is missing: the chain has no witness outside the database"] if heads else []
    if heads.get(known["up_to_id"]) != bytes.fromhex(known["head"]):
        return [f"the head written outside the database (row {known['up_to_id']}) is not in the chain"]
    return []


def read_head(head_file: Path) -> Row | None:
    """{"up_to_id", "head" hex, "sealed_at"} as last written; None when nothing was."""
    try:
        known: Row = json.loads(head_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return known


async def _last_seal(conn: Connection) -> Row | None:
    return await fetch_one(conn, load_queries(*_FILE)["last_seal"])


def _refuse_going_back(head_file: Path, last: Row | None) -> None:
    known = read_head(head_file)
    if known is not None and (last is None or last["up_to_id"] < known["up_to_id"]):
        raise Unavailable(
            f"The access log's seals end before row {known['up_to_id']}, which {head_file.name} has seen: "
            "the database was rolled back or its seals were deleted. Check it before sealing goes on."
        )


async def _newest_settled_id(conn: Connection) -> int:
    """The highest id below which nothing can still appear.

    Ids are drawn before the commit, so a lower one may be committed later than a higher one. The lock waits for the
    writers that run now; whoever comes after them draws a higher id. It is a transaction of its own, because a lock
    lives as long as its transaction and writers must not wait for the sealing.
    """
    try:
        async with conn.transaction():
            await conn.execute("SET LOCAL lock_timeout = '300ms'")
            await conn.execute("LOCK TABLE access_log IN SHARE MODE")
            row = await fetch_one(conn, load_queries(*_FILE)["highest_id"])
    except psycopg.errors.LockNotAvailable:
        raise Unavailable("The access log is being written by a long transaction; sealing waits.") from None
    assert row is not None
    return int(row["id"])


async def _unsealed(conn: Connection, last: Row | None, up_to: int) -> list[Row]:
    after = 0 if last is None else last["up_to_id"]
    return await fetch_all(
        conn, load_queries(*_FILE)["rows_after"], {"after": after, "up_to_id": up_to, "limit": _MOST_ROWS}
    )


async def _seal(conn: Connection, keyring: Keyring, last: Row | None, rows: list[Row], now: datetime) -> Row:
    seal: Row = {
        "up_to_id": rows[-1]["id"],
        "from_id": 1 if last is None else last["up_to_id"] + 1,
        "rows": len(rows),
        "sealed_at": now,
    }
    seal["head"] = keyring.seal(b"" if last is None else last["head"], _canonical(seal, rows))
    await conn.execute(load_queries(*_FILE)["insert_seal"], seal)
    return seal


def _canonical(seal: Row, rows: Iterable[Row]) -> bytes:
    """The bytes that are chained: the seal's own range, then every row, as JSON lines with sorted keys."""
    own = {key: seal[key] for key in ("from_id", "up_to_id", "rows", "sealed_at")}
    return b"\n".join(json.dumps(line, sort_keys=True, default=_plain).encode() for line in (own, *rows))


def _plain(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _write_head(head_file: Path, seal: Row) -> None:
    """Replace the file whole and on disk: a half-written head would read as tampering."""
    head = {"up_to_id": seal["up_to_id"], "head": seal["head"].hex(), "sealed_at": _plain(seal["sealed_at"])}
    if read_head(head_file) == head:
        return
    fresh = head_file.with_name(f"{head_file.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(head, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(head_file)
