"""Topics of the contract: who speaks, and on which lane."""

from enum import StrEnum
from functools import lru_cache

PREFIX = "anxin/v1/"
ALARM_FILTER = "anxin/v1/+/up/alarm"
TELEMETRY_FILTERS = tuple(f"anxin/v1/+/up/{kind}" for kind in ("telemetry", "status", "result"))
# Each message goes to one worker of the group; only for brokers that keep such subscriptions over a restart
# (docs/adr: who reads telemetry). Alarms are never shared: a broker parks half of them for a worker that is away.
SHARED_FILTERS = tuple(f"$share/ingest/{name}" for name in TELEMETRY_FILTERS)


class Kind(StrEnum):
    ALARM = "alarm"
    TELEMETRY = "telemetry"
    STATUS = "status"
    RESULT = "result"


_KINDS = {f"up/{kind.value}": kind for kind in Kind}


@lru_cache(maxsize=65_536)
def parse_topic(topic: str) -> tuple[str, Kind] | None:
    """(device id, kind) of an uplink topic, None for any other."""
    if not topic.startswith(PREFIX):
        return None
    device_id, _, rest = topic[len(PREFIX) :].partition("/")
    kind = _KINDS.get(rest)
    return (device_id, kind) if kind is not None and device_id else None


def receipt_topic(device_id: str) -> str:
    return f"{PREFIX}{device_id}/down/receipt"


def command_topic(device_id: str) -> str:
    return f"{PREFIX}{device_id}/down/command"
