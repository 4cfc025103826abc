"""Is a restored database whole? Questions whose answers must be yes, and how far it reaches."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from core.store.migrate import migrations
from core.store.queries import load_queries

# name of the query → what its no means
_MUST_BE_TRUE = {
    "alert_events_without_gap": "the alert events are not numbered without a gap up to the counter",
    "alerts_as_their_newest_event": "an alert's row is not what its newest event says",
    "accounting_closes": "what was received and what became of it do not add up",
    "indexes_whole": "an index is invalid; REINDEX it",
}


@dataclass(frozen=True)
class Content:
    """What a restored database holds. `problems`: sentences; empty when everything fits."""

    schema_version: int
    newest_receipt_at: datetime | None
    newest_alert_event_at: datetime | None
    rows: dict[str, int]
    problems: list[str]
    advice: list[str]


def examine(connection: psycopg.Connection[Any], head_file: Path | None) -> Content:
    """`head_file`: the witness of the access log, kept apart from the database; None when it is not at hand."""
    queries = load_queries("stack", "queries_restore.sql")
    found = connection.execute(queries["content"]).fetchone()
    assert found is not None
    rows = {name: int(count) for name, count in connection.execute(queries["sizes"]).fetchall()}
    problems = [
        meaning for name, meaning in _MUST_BE_TRUE.items() if not _true(connection, queries[name])
    ]  # fmt: skip
    advice = []
    ours, schema_version = len(migrations()), int(found[0])
    if schema_version < ours:
        advice.append(f"it is of schema version {schema_version}, this program of {ours}: run `anxin migrate`")
    if schema_version > ours:
        problems.append(f"it is of schema version {schema_version}, newer than this program's {ours}")
    if head_file is None:
        advice.append("the access log was not compared with its witness: `anxin audit verify --head-file F`")
    elif not _witnessed(connection, head_file):
        advice.append(
            f"the access log ends before what {head_file} has seen: expected when the last seconds are lost; keep that "
            "file as evidence, move it away, and the sealing goes on"
        )
    return Content(schema_version, found[1], found[2], rows, problems, advice)


def _true(connection: psycopg.Connection[Any], query: str, values: dict[str, Any] | None = None) -> bool:
    row = connection.execute(query, values).fetchone()
    return bool(row and row[0])


def _witnessed(connection: psycopg.Connection[Any], head_file: Path) -> bool:
    known = json.loads(head_file.read_text(encoding="utf-8"))
    values = {"up_to_id": known["up_to_id"], "head": bytes.fromhex(known["head"])}
    return _true(connection, load_queries("stack", "queries_restore.sql")["seal_of_witness"], values)
