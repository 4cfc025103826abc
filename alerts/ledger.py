"""Changing alerts in the database. Every function takes a connection and never commits.

Whoever changes alerts: lock first (`lock_and_load`, `lock_one`, `claim_unanswered`), then `write_changes` as the last
work of the transaction, because it takes the one counter (docs/adr/0005-alert-sequence.md).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.errors import ActiveSqlTransaction
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerts.model import Alert, AlertChange, as_contract
from alerts.rows import alert_from_row, alert_to_row
from alerts.scope import completed
from alerts.vocabulary import ELDER_OK_WINDOW, SubjectKind
from core.errors import Conflict, NotFound
from core.store.pool import Connection
from core.store.queries import load_queries
from registry.access import scoped

_SQL = load_queries("alerts")
_SCOPED = {name: scoped(_SQL[name]) for name in ("find_for_action", "get")}

SubjectKey = tuple[SubjectKind, str]


@dataclass(frozen=True, slots=True)
class FallMoment:
    """A fall whose answer may already be stored."""

    elder_id: UUID | None
    dwelling_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An `elder_ok` of the table `event`; `fall` is the index of the fall it may answer."""

    fall: int
    device_id: str
    device_no: int
    at: datetime
    received_at: datetime
    key: bytes


def lock_number(kind: str, id: str) -> int:
    """The advisory lock of a subject. Two subjects may share one: they only wait for each other."""
    return int.from_bytes(blake2b(f"alert:{kind}:{id}".encode(), digest_size=8).digest(), signed=True)


def _numbers(subjects: Collection[SubjectKey], elders: Collection[UUID]) -> list[int]:
    keys = {(kind.value, id) for kind, id in subjects} | {("elder", str(elder)) for elder in elders}
    return sorted({lock_number(kind, id) for kind, id in keys})


@dataclass(frozen=True, slots=True)
class Loading:
    """Locks and questions that are on their way."""

    _rows: AsyncCursor[dict[str, Any]]
    _answers: AsyncCursor[tuple[Any, ...]] | None

    async def fetch(self) -> tuple[list[Alert], list[StoredAnswer]]:
        alerts = [alert_from_row(row) for row in await self._rows.fetchall()]
        stored = [] if self._answers is None else await self._answers.fetchall()
        return alerts, [StoredAnswer(n - 1, *rest) for n, *rest in stored]


async def lock_and_load(
    conn: Connection, subjects: Collection[SubjectKey], elders: Collection[UUID], falls: Sequence[FallMoment] = ()
) -> tuple[list[Alert], list[StoredAnswer]]:
    """Lock these subjects and elders, then read their unclosed alerts and the stored answers to `falls`: one round
    trip."""
    async with conn.pipeline():
        loading = await send_lock_and_load(conn, subjects, elders, falls)
    return await loading.fetch()


async def send_lock_and_load(
    conn: Connection, subjects: Collection[SubjectKey], elders: Collection[UUID], falls: Sequence[FallMoment] = ()
) -> Loading:
    """In pipeline mode. The statements go out together, and each has a snapshot of its own, newer than the locks."""
    given = {
        "numbers": _numbers(subjects, elders),
        "kinds": [kind.value for kind, _ in subjects],
        "subjects": [id for _, id in subjects],
        "elders": list(elders),
    }
    await conn.execute(_SQL["lock_subjects"], given)
    await conn.execute(_SQL["lock_unclosed"], given)
    rows = conn.cursor(row_factory=dict_row)
    await rows.execute(_SQL["unclosed"], given)
    answers = await conn.execute(_SQL["answers_of_elders"], _answers_wanted(falls)) if falls else None
    return Loading(rows, answers)


def _answers_wanted(falls: Sequence[FallMoment]) -> dict[str, Any]:
    ats = [fall.at for fall in falls]
    return {
        "elders": [fall.elder_id for fall in falls],
        "dwellings": [fall.dwelling_id for fall in falls],
        "ats": ats,
        "window": ELDER_OK_WINDOW,
        "first": min(ats),
        "last": max(ats) + ELDER_OK_WINDOW,
    }


async def devices_with_live_state(
    conn: Connection, devices: Collection[str], rules: Collection[str]
) -> set[tuple[str, str]]:
    """(device id, rule) of the live alerts among these that are about a device itself."""
    given = {"devices": list(devices), "rules": list(rules)}
    return set(await (await conn.execute(_SQL["devices_with_live_state"], given)).fetchall())


@dataclass(frozen=True, slots=True)
class Writing:
    """Changes that are on their way."""

    _changes: Sequence[AlertChange]
    _answer: AsyncCursor[tuple[Any, ...]]

    async def fetch(self) -> list[AlertChange]:
        """The changes with seq and alert_no."""
        row = await self._answer.fetchone()
        assert row is not None
        base, alert_nos, *_ = row
        return [_numbered(change, base + n, alert_nos) for n, change in enumerate(self._changes, 1)]


async def write_changes(conn: Connection, changes: Sequence[AlertChange], now: datetime) -> list[AlertChange]:
    """Write the alerts as they stand after `changes` and one alert_event a change, numbered in this order.

    Returns the changes with seq and alert_no. Must be the last work before the commit: it holds the counter.
    Raises Conflict when a row was changed by somebody who did not lock it.
    """
    if not changes:
        return []
    with conflicts():
        return await (await send_changes(conn, changes, now)).fetch()


async def send_changes(conn: Connection, changes: Sequence[AlertChange], now: datetime) -> Writing:
    """`write_changes` (of at least one) for a caller that pipelines and queues the COMMIT behind it. That is safe
    because the statement itself fails where `conflicts` says Conflict: put it around the whole transaction."""
    final = {change.alert.id: (n, change.alert) for n, change in enumerate(changes, 1)}
    rows = [{**alert_to_row(alert), "seq": n} for n, alert in final.values()]
    given = {
        "count": len(changes),
        "changed": Jsonb([row for row in rows if row["alert_no"]]),
        "opened": Jsonb([row for row in rows if not row["alert_no"]]),
        "events": Jsonb([_event_row(n, change, now) for n, change in enumerate(changes, 1)]),
    }
    return Writing(changes, await conn.execute(_SQL["write_changes"], given))


@contextmanager
def conflicts() -> Iterator[None]:
    """Says the error of `write_changes` in our words."""
    try:
        yield
    except ActiveSqlTransaction as error:
        raise Conflict("The alert was changed at the same moment. Try again.", code="alert-changed") from error


def _event_row(n: int, change: AlertChange, now: datetime) -> dict[str, Any]:
    event = change.event
    return {
        "n": n,
        "alert_id": str(change.alert.id),
        "type": event.type.value,
        "at": event.at.isoformat(),
        "actor_kind": event.actor_kind.value,
        "actor_id": event.actor_id,
        "detail": dict(event.detail),
        "alert": as_contract(change.alert, now),
    }


def _numbered(change: AlertChange, seq: int, alert_nos: Mapping[str, int]) -> AlertChange:
    alert = change.alert
    alert_no = alert.alert_no or alert_nos[str(alert.id)]
    return replace(change, alert=replace(alert, seq=seq, alert_no=alert_no))


async def lock_one(conn: Connection, alert_id: UUID, scope_params: Mapping[str, Any]) -> Alert:
    """The alert, locked for a change. Raises NotFound when there is none, or none in this scope."""
    given = {**completed(scope_params), "id": alert_id}
    found = await (await conn.execute(_SCOPED["find_for_action"], given)).fetchone()
    if found is None:
        raise NotFound("There is no such alert.")
    kind, subject, elder = found
    numbers = _numbers([(SubjectKind(kind), subject)], [elder] if elder else [])
    async with conn.pipeline():
        await conn.execute(_SQL["lock_subjects"], {"numbers": numbers})
        await conn.execute(_SQL["lock_alert"], given)
        rows = conn.cursor(row_factory=dict_row)
        await rows.execute(_SCOPED["get"], given)
    row = await rows.fetchone()
    if row is None:
        raise NotFound("There is no such alert.")
    return alert_from_row(row)


async def claim_unanswered(conn: Connection, now: datetime, limit: int) -> list[Alert]:
    """Alerts whose confirm window ran out, locked; those that another engine holds are left to it."""
    claimed = await (await conn.execute(_SQL["claim_unanswered"], {"now": now, "limit": limit})).fetchall()
    rows = conn.cursor(row_factory=dict_row)
    await rows.execute(_SQL["by_ids"], {"ids": [id for (id,) in claimed]})
    return [alert_from_row(row) for row in await rows.fetchall()]


async def next_due(conn: Connection) -> datetime | None:
    row = await (await conn.execute(_SQL["next_due"])).fetchone()
    return row[0] if row else None


async def is_responder(conn: Connection, account_id: UUID, now: datetime) -> bool:
    row = await (await conn.execute(_SQL["is_responder"], {"account_id": account_id, "now": now})).fetchone()
    return bool(row and row[0])


async def live_elsewhere(conn: Connection, alert_id: UUID) -> bool:
    row = await (await conn.execute(_SQL["live_elsewhere"], {"id": alert_id})).fetchone()
    return bool(row and row[0])
