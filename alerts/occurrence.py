"""An event as the rules see it: what ingest hands over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts.vocabulary import DELAYED_AFTER


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event of one device. `device_id` is the effective (child) device; the publisher, if the child is unknown.

    `at` is the device's time, `received_at` ours. `uncertain` is a reason code of the contract: the event itself was
    rejected, but a cry for help rings anyway. `claimed_device` is the child the publisher named, when it is not known.
    """

    device_id: str
    device_no: int | None
    type: str
    value: Any
    at: datetime
    received_at: datetime
    zone: str | None
    key: bytes
    suspect: bool = False
    clock_suspect: bool = False
    uncertain: str | None = None
    claimed_device: str | None = None

    @property
    def delay(self) -> timedelta:
        return self.received_at - self.at

    @property
    def delayed(self) -> bool:
        return self.delay > DELAYED_AFTER

    @property
    def confidence(self) -> float | None:
        given = self.value.get("confidence") if isinstance(self.value, dict) else None
        return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None
