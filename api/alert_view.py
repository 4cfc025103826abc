"""An alert as clients get it, by REST and by stream alike: the contract's object and the masked label of its elder.

`elder` is {id, name_masked, building, elder_no} or null. Where nobody in particular is the subject (smoke in a home of
two), `residents` holds the labels of all who live there, so that a console can say where it burns.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from alerts.model import Alert, as_contract
from alerts.store import FeedEvent
from api.labels import ElderLabels, Label
from core.store.pool import Connection, Pool

Json = dict[str, Any]


class AlertViews:
    def __init__(self, labels: ElderLabels) -> None:
        self._labels = labels

    async def of_alert(self, conn: Connection, alert: Alert, now: datetime) -> Json:
        return (await self.of_alerts(conn, [alert], now))[0]

    async def of_alerts(self, conn: Connection, alerts: Sequence[Alert], now: datetime) -> list[Json]:
        wanted = {id for alert in alerts for id in named(alert.elder_id, alert.elder_ids)}
        labels = await self._labels.load(conn, wanted, now)
        return [_labelled(as_contract(alert, now), named(alert.elder_id, alert.elder_ids), labels) for alert in alerts]

    async def of_event(self, pool: Pool, event: FeedEvent, now: datetime) -> Json:
        """The alert as it stood after the event. Takes a connection only for a label that is not kept."""
        wanted = named(elder_id_of(event), event.elder_ids)
        labels = self._labels.kept(wanted, now)
        if labels is None:
            async with pool.connection() as conn:
                labels = await self._labels.load(conn, wanted, now)
        return _labelled(event.alert, wanted, labels)

    def unlabelled(self, event: FeedEvent) -> Json:
        return _labelled(event.alert, (), {})


def named(elder_id: UUID | None, elder_ids: Iterable[UUID]) -> tuple[UUID, ...]:
    """Whose labels an alert carries: its elder's, else those of everybody who lives there."""
    return (elder_id,) if elder_id is not None else tuple(elder_ids)


def elder_id_of(event: FeedEvent) -> UUID | None:
    text = event.alert.get("elder_id")
    return None if text is None else UUID(text)


def _labelled(alert: Mapping[str, Any], wanted: Iterable[UUID], labels: Mapping[UUID, Label | None]) -> Json:
    found = [label for id in wanted if (label := labels.get(id)) is not None]
    if alert.get("elder_id") is not None:
        return {**alert, "elder": found[0] if found else None, "residents": []}
    return {**alert, "elder": None, "residents": found}
