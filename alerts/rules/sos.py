"""The emergency button (domain §6.3 A1, A5, B2): P0 at once, whoever, wherever, however late."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts.model import Evidence
from alerts.occurrence import Occurrence
from alerts.rules.finding import Effect, Finding
from alerts.vocabulary import Severity

BOOST_PRESSES = 3
BOOST_WITHIN = timedelta(minutes=10)


def sos(occurrence: Occurrence) -> Finding | None:
    return Finding("sos", Effect.CRY, Severity.P0) if occurrence.type == "sos" else None


def pressed_often(evidence: Sequence[Evidence]) -> bool:
    """Three presses within ten minutes, by the times of the presses and in whatever order they arrived."""
    times = sorted(datetime.fromisoformat(item["at"]) for item in evidence if item["type"] == "sos")
    return any(last - first <= BOOST_WITHIN for first, last in zip(times, times[BOOST_PRESSES - 1 :], strict=False))
