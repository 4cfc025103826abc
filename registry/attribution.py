"""Whose event it is: the elder, the dwelling or the bare device that a device stood for when it happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncCursor

from core.errors import ConfigurationError
from core.store.pool import Connection
from core.store.queries import load_queries

SubjectKind = Literal["elder", "dwelling", "device"]

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Subject of an event, who may see it (`elder_ids`: family), and which centre answers for it.

    `elder_id` is the one elder it is about: the bound one, or the only resident of a bound dwelling.
    """

    subject_kind: SubjectKind
    subject_id: str
    elder_id: UUID | None
    elder_ids: tuple[UUID, ...]
    centre_id: UUID
    region_code: str


async def attribute(conn: Connection, moments: Sequence[tuple[str, datetime]]) -> list[Attribution]:
    """The attribution of each (device id, event time), in order, by the binding valid then: one statement for all.

    Unbound: subject device, in the centre of its hub's place, its own, its hub's, or the one that takes
    unidentified devices; without such a centre the oldest operating one answers, because a cry must land
    somewhere. Raises ConfigurationError when there is no centre at all.
    """
    return await attributions(await ask(conn, moments)) if moments else []


async def ask(conn: Connection, moments: Sequence[tuple[str, datetime]]) -> AsyncCursor[tuple[Any, ...]]:
    """`attribute` for a caller that pipelines: sends the question, whose answer `attributions` reads."""
    given = {"device_ids": [device for device, _ in moments], "ats": [at for _, at in moments]}
    return await conn.execute(load_queries("registry", "queries_attribution.sql")["attribute"], given)


async def attributions(answer: AsyncCursor[tuple[Any, ...]]) -> list[Attribution]:
    """In the order of the moments asked for. Raises ConfigurationError as `attribute` does."""
    return [
        _attribution(kind, subject, elder, elders, centre, region)
        for kind, subject, elder, elders, centre, region in await answer.fetchall()
    ]


async def attribute_unidentified(conn: Connection, device_id: str) -> Attribution:
    """For a device the registry does not know: subject device, its id as claimed, the default centre."""
    found = await attribute(conn, [(device_id, _LONG_AGO)])
    return found[0]


def _attribution(
    kind: SubjectKind, subject: str, elder: UUID | None, elders: list[UUID], centre: UUID | None, region: str
) -> Attribution:
    if centre is None:
        raise ConfigurationError("There is no service centre, so nobody answers alerts. Create one, or run: anxin demo")
    return Attribution(kind, subject, elder, tuple(elders), centre, region)
