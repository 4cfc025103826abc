"""The statements of an alarm batch: each sends only, in pipeline mode, where COPY and a temporary table have no place.

Rows go as one array a column. That costs more a row than COPY, and a wait less a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncCursor

from core.contract.event import Event, Micros, Rejection
from core.contract.event_time import instant
from core.contract.json_text import to_bytes
from core.domain.event_types import Storage
from core.store.pool import Connection
from core.store.queries import load_queries
from ingest.classify import ScopedKey
from ingest.dead_letters import dead_letters
from ingest.delivery import Outcome, Piece
from ingest.liveness import DeviceNews

_SQL = load_queries("ingest", "queries_emergency.sql")


@dataclass(frozen=True, slots=True)
class Election:
    """An election that is on its way. `_numbers`: of the candidates, in the order of their keys."""

    _worker: int
    _numbers: list[int]
    _lost: AsyncCursor[tuple[Any, ...]]
    _holders: AsyncCursor[tuple[Any, ...]]

    async def losers(self) -> dict[int, int]:
        """The numbers of those whose key was there before -> the worker that entered it."""
        holders = dict(await self._holders.fetchall())
        return {self._numbers[n - 1]: holders.get(n, self._worker) for (n,) in await self._lost.fetchall()}


async def send_election(
    conn: Connection, keys: Mapping[ScopedKey, int], *, worker: int, received: Micros
) -> Election | None:
    """Enter sorted keys, each with the number of its piece; None for no keys. Waits, in the server, for a transaction
    that is entering one of them."""
    if not keys:
        return None
    given = {
        "device_nos": [int.from_bytes(key[:4], "big") for key in keys],
        "keys": [key[4:] for key in keys],
        "worker": worker,
        "received_at": instant(received),
    }
    lost = await conn.execute(_SQL["elect"], given)
    return Election(worker, list(keys.values()), lost, await conn.execute(_SQL["holders"], given))


async def send_rows(conn: Connection, judged: Sequence[tuple[Piece, Outcome]]) -> None:
    """Rows of everything accepted or rejected. Raises ValueError for a type of event that the alarm lane never has."""
    accepted = [(piece, piece.content) for piece, outcome in judged if outcome is Outcome.ACCEPTED]
    if events := [(piece, content) for piece, content in accepted if type(content) is Event]:
        await conn.execute(_SQL["store_events"], _event_columns(events))
    refused = [(piece, piece.content) for piece, outcome in judged if outcome is Outcome.REJECTED]
    if letters := dead_letters((piece, content) for piece, content in refused if type(content) is Rejection):
        received, ids, topics, devices, lanes, indexes, reasons, details, payloads, events_of = map(
            list, zip(*letters, strict=True)
        )
        given = {
            "received": [instant(at) for at in received],
            "ids": ids,
            "topics": topics,
            "device_ids": devices,
            "lanes": lanes,
            "indexes": indexes,
            "reasons": reasons,
            "details": details,
            "payloads": payloads,
            "events": events_of,
        }
        await conn.execute(_SQL["store_dead_letters"], given)


def _event_columns(events: Sequence[tuple[Piece, Event]]) -> dict[str, list[Any]]:
    for _, event in events:
        if event.type.storage is not Storage.EVENT:
            raise ValueError(f"{event.type.name} has no place in the table event")
    return {
        "device_nos": [piece.device_no for piece, _ in events],
        "ats": [instant(event.at) for _, event in events],
        "received": [instant(piece.delivery.received) for piece, _ in events],
        "types": [event.type.name for _, event in events],
        "values": [_json(event.value) for _, event in events],
        "zones": [event.zone for _, event in events],
        "keys": [piece.key for piece, _ in events],
        "suspects": [event.suspect for _, event in events],
        "clock_suspects": [event.clock_suspect for _, event in events],
    }


def _json(value: Any) -> str | None:
    if value is None:
        return None
    written = to_bytes(value)
    if written is None:
        raise ValueError("a value is nested too deep to write down")
    return written.decode()


async def send_sightings(conn: Connection, news: Sequence[tuple[int, DeviceNews]]) -> None:
    """Move device_state forwards, sorted by device; rows that another transaction holds are left to it. Of a device
    that cries for help no more is known than that it spoke."""
    if not news:
        return
    given = {
        "device_nos": [device_no for device_no, _ in news],
        "last_seen": [instant(told.last_seen) for _, told in news],
        "last_at": [None if told.last_at is None else instant(told.last_at) for _, told in news],
    }
    await conn.execute(_SQL["touch_state"], given)
