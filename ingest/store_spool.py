"""How far a lane's spool is in the database. Functions take a connection inside a transaction and never commit."""

from datetime import datetime
from typing import NamedTuple

from core.store.pool import Connection
from core.store.queries import load_queries
from ingest.spool import Position

_SQL = load_queries("ingest", "queries_spool.sql")


class Place(NamedTuple):
    worker: int
    lane: str


async def read_position(conn: Connection, place: Place) -> Position | None:
    row = await (await conn.execute(_SQL["spool_position"], place._asdict())).fetchone()
    return None if row is None else Position(*row)


async def move_position(conn: Connection, place: Place, position: Position, *, at: datetime) -> None:
    named = {"segment": position.segment, "position": position.offset, "at": at}
    await conn.execute(_SQL["move_spool_position"], {**place._asdict(), **named})


async def touch_position(conn: Connection, place: Place, *, at: datetime) -> None:
    """A write that changes nothing, to learn whether the database takes any."""
    await conn.execute(_SQL["touch_spool_position"], {**place._asdict(), "at": at})
