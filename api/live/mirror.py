"""The live alerts as the last frame left them: what a console that connects while the database is away is shown."""

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from alerts.model import Alert, as_contract
from alerts.scope import sees
from alerts.store import FeedEvent
from alerts.vocabulary import LIVE
from api.live.frames import dumps
from registry.access import Scope

Json = dict[str, Any]

# About 2 kB each, as text. Beyond it the alert that was changed longest ago goes.
MOST = 20_000


class LiveMirror:
    """`seq` is the number of the alert event it stands at."""

    def __init__(self) -> None:
        self.seq = 0
        self._alerts: OrderedDict[str, tuple[str, UUID, str, tuple[UUID, ...]]] = OrderedDict()

    def begin(self, alerts: Iterable[Alert], seq: int, now: datetime) -> None:
        """Every live alert at `seq`."""
        self._alerts.clear()
        self.seq = seq
        for alert in sorted(alerts, key=lambda each: each.seq):
            self._keep(as_contract(alert, now), alert.centre_id, alert.region_code, alert.elder_ids)

    def follow(self, event: FeedEvent) -> None:
        """Events come in order; those before `seq` are in it."""
        if event.seq <= self.seq:
            return
        self.seq = event.seq
        self._keep(event.alert, event.centre_id, event.region_code, event.elder_ids)

    def seen_by(self, scope: Scope) -> Iterator[tuple[Json, tuple[UUID, ...]]]:
        """The alerts in scope, newest first, each with the elders who live there."""
        for text, centre_id, region_code, elder_ids in reversed(self._alerts.values()):
            alert = cast(Json, json.loads(text))
            if sees(scope, alert, centre_id=centre_id, region_code=region_code, elder_ids=elder_ids):
                yield alert, elder_ids

    def _keep(self, alert: Any, centre_id: UUID, region_code: str, elder_ids: tuple[UUID, ...]) -> None:
        id = str(alert["id"])
        self._alerts.pop(id, None)
        if alert["status"] not in LIVE:
            return
        self._alerts[id] = dumps(alert), centre_id, region_code, elder_ids
        if len(self._alerts) > MOST:
            self._alerts.popitem(last=False)
