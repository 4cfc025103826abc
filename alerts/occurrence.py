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
    `told_at` is when the rules hear of it: hours after `received_at`, if the database was away in between.
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
    told_at: datetime | None = None

    @property
    def known_at(self) -> datetime:
        """When anybody could act on it: on its receipt, but for what waited with us so long that this alone is late."""
        told = self.told_at
        return told if told is not None and told - self.received_at > DELAYED_AFTER else self.received_at

    @property
    def delay(self) -> timedelta:
        """Until it was told: to the rules it is the same who kept it so long, the device or we."""
        return max(self.told_at or self.received_at, self.received_at) - self.at

    @property
    def delayed(self) -> bool:
        return self.delay > DELAYED_AFTER

    @property
    def confidence(self) -> float | None:
        given = self.value.get("confidence") if isinstance(self.value, dict) else None
        return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None
