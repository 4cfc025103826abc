"""Masked names and buildings for alerts, kept a minute in this process: every frame of every alert needs one."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from core.runtime.crypto import Keyring, Unreadable
from core.store.pool import Connection
from registry import elders

log = logging.getLogger(__name__)

Label = dict[str, Any]
KEPT = timedelta(seconds=60)
MOST = 50_000


class ElderLabels:
    """elder id → {id, name_masked, building, elder_no}, or None for an elder that is unknown."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._kept: dict[UUID, tuple[datetime, Label | None]] = {}

    def kept(self, elder_ids: Iterable[UUID], now: datetime) -> Mapping[UUID, Label | None] | None:
        """The labels when all of them are kept and fresh, else None: no connection is needed then."""
        found = {}
        for id in elder_ids:
            at, label = self._kept.get(id, (None, None))
            if at is None or now - at > KEPT:
                return None
            found[id] = label
        return found

    async def load(self, conn: Connection, elder_ids: Iterable[UUID], now: datetime) -> Mapping[UUID, Label | None]:
        """Labels of all `elder_ids`. An alert is never held back for its label: what cannot be read is None."""
        ids = set(elder_ids)
        if (kept := self.kept(ids, now)) is not None:
            return kept
        try:
            read = await elders.labels(conn, self._keyring, ids)
        except (psycopg.DataError, Unreadable) as error:
            log.error(  # noqa: TRY400 - the sentence is enough, and a traceback would quote cipher text
                "labels cannot be read", extra={"action": "labels.unreadable", "error": type(error).__name__}
            )
            read = {}
        if len(self._kept) + len(ids) > MOST:
            self._kept.clear()
        labels: dict[UUID, Label | None] = {}
        for id in ids:
            label = read.get(id)
            labels[id] = None if label is None else _as_json(id, label.name_masked, label.building, label.elder_no)
            self._kept[id] = (now, labels[id])
        return labels


def _as_json(id: UUID, name_masked: str, building: str | None, elder_no: int) -> Label:
    return {"id": str(id), "name_masked": name_masked, "building": building, "elder_no": elder_no}
