"""The engine's module `platform`: read what the parts said, judge it, raise and clear; one transaction a round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts import housekeeping, ledger
from alerts.fold import Book, apply
from alerts.platform.checks import RULES, Limits, Memory, Pulse, Verdict, judge
from alerts.platform.findings import Ended, Key, hits, key_of, quiet, subject_id, well_since
from alerts.signals import Subject
from alerts.vocabulary import Severity, SubjectKind
from core.store.pool import Connection, Pool, transaction
from core.store.queries import load_queries
from registry.attribution import attribute_unidentified

_SQL = load_queries("alerts.platform")
_LOCK = 0x7761746368  # "watch"
# The watch's own row among the pulses: what the next round must know. It is nobody's sign of life.
MEMORY = "platform-watch"


@dataclass(frozen=True, slots=True)
class Patience:
    """`settle`: how long a state must be well before its alert clears. `repeat`: quiet after a person ended one."""

    settle: timedelta = timedelta(seconds=30)
    repeat: timedelta = timedelta(hours=4)


async def watch_round(pool: Pool, limits: Limits, patience: Patience, now: datetime) -> list[Verdict] | None:
    """One round; what is in trouble. Does nothing and answers None while another engine is at it."""
    async with transaction(pool) as conn:
        row = await (await conn.execute(_SQL["take_round"], {"lock": _LOCK})).fetchone()
        if row is None or not row[0]:
            return None
        pulses = [Pulse(*row) for row in await (await conn.execute(_SQL["pulses"])).fetchall()]
        kept = next((pulse.detail for pulse in pulses if pulse.component == MEMORY), {})
        parts = [pulse for pulse in pulses if pulse.component != MEMORY]
        verdicts, memory = judge(parts, _memory(kept), now, limits)
        live = set(await (await conn.execute(_SQL["live_of_platform"], {"rules": list(RULES)})).fetchall())
        well = well_since(_with_the_gone(verdicts, live, parts), _well(kept), live, now)
        await housekeeping.write_pulse(conn, MEMORY, _kept(memory, well), now)
        troubles = [verdict for verdict in verdicts if verdict.severity is not None]
        settled = [key for key, since in well.items() if now - since >= patience.settle]
        await _raise(conn, troubles, settled, live, patience, now)
        return troubles


async def _raise(
    conn: Connection,
    troubles: Sequence[Verdict],
    settled: Sequence[Key],
    live: set[Key],
    patience: Patience,
    now: datetime,
) -> None:
    if fresh := [verdict for verdict in troubles if key_of(verdict) not in live]:
        ended = await _ended(conn, fresh, now - patience.repeat)
        troubles = [v for v in troubles if key_of(v) in live or not quiet(v, ended, patience.repeat, now)]
    subjects = sorted({subject_id(v.component) for v in troubles} | {id for id, _ in settled})
    if not subjects:
        return
    found = await attribute_unidentified(conn, subjects[0])
    place = Subject(SubjectKind.DEVICE, subjects[0], None, (), found.centre_id, found.region_code)
    alerts, _ = await ledger.lock_and_load(conn, [(SubjectKind.DEVICE, id) for id in subjects], [])
    book = Book(alerts)
    changes = apply(book, hits(troubles, settled, book, place, now), now)
    await ledger.write_changes(conn, changes, now)


async def _ended(conn: Connection, verdicts: Sequence[Verdict], since: datetime) -> dict[Key, Ended]:
    given = {
        "subjects": [subject_id(verdict.component) for verdict in verdicts],
        "rules": list(RULES),
        "since": since,
    }
    rows = await (await conn.execute(_SQL["ended_by_people"], given)).fetchall()
    return {(subject, rule): Ended(at, Severity(severity)) for subject, rule, at, severity in rows}


def _with_the_gone(verdicts: Sequence[Verdict], live: set[Key], parts: Sequence[Pulse]) -> list[Verdict]:
    """A part whose pulse was deleted was taken out of service: its silence is no trouble any more, unless another part
    counts on it."""
    known = {subject_id(pulse.component) for pulse in parts}
    known |= {subject_id(verdict.component) for verdict in verdicts}
    gone = [
        Verdict(rule, id.removeprefix("platform-"))
        for id, rule in live
        if rule == "platform_part_silent" and id not in known
    ]
    return [*verdicts, *gone]


def _memory(kept: Mapping[str, Any]) -> Memory:
    return Memory(
        at=_time(kept.get("at")),
        judged_from=_time(kept.get("judged_from")),
        dropped=kept.get("dropped"),
        dropped_at=_time(kept.get("dropped_at")),
        dropped_by=kept.get("dropped_by") or 0,
    )


def _well(kept: Mapping[str, Any]) -> dict[Key, datetime]:
    return {(id, rule): datetime.fromisoformat(since) for id, rule, since in kept.get("well", ())}


def _kept(memory: Memory, well: Mapping[Key, datetime]) -> dict[str, Any]:
    return {
        "at": _text(memory.at),
        "judged_from": _text(memory.judged_from),
        "dropped": memory.dropped,
        "dropped_at": _text(memory.dropped_at),
        "dropped_by": memory.dropped_by,
        "well": [[id, rule, since.isoformat()] for (id, rule), since in sorted(well.items())],
    }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
