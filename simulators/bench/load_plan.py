"""What the generator is asked for, and how that is told to its process."""

from dataclasses import dataclass, fields
from typing import Any

DEVICES = 5000
METRICS = 12


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Readings of the children of `hubs` hubs from the `first_hub`-th of the fleet on, each hub one connection.

    per_second   messages a second on an open schedule; 0: as fast as the broker takes them
    messages     how many in all; 0: until `seconds` are over
    batch        readings a message: 1, or a gateway's {"events": [… × batch]}
    devices      children that speak, spread over the hubs; 0: all of these hubs'
    duplicate_pct, late_pct   messages sent twice with the same ids; readings minutes to hours old
    age_hours    > 0, with `messages`: a backlog: times spread in order from that long ago until now, old batteries low
    run          start of every event id: another load of the same town needs another
    window       unacknowledged messages a connection may have when unthrottled
    """

    run: str
    per_second: float = 0.0
    messages: int = 0
    seconds: float = 0.0
    batch: int = 1
    first_hub: int = 0
    hubs: int = 0
    devices: int = DEVICES
    duplicate_pct: float = 1.0
    late_pct: float = 1.0
    age_hours: float = 0.0
    window: int = 500

    def words(self) -> list[str]:
        """As command-line options."""
        return [
            word
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
            for word in (f"--{field.name.replace('_', '-')}", str(value))
        ]

    @classmethod
    def of(cls, options: Any) -> "LoadPlan":
        return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class LoadTold:
    """What the generator says of itself, each second and in the end.

    `messages` and `readings` were written to the broker, duplicates included; `distinct` readings are what must be
    stored. `late_max_ms` is how far it ever was behind its own schedule, `cpu_ms_per_1000` what a thousand messages
    cost it: that it is not the bottleneck can be seen.
    """

    messages: int
    acknowledged: int
    readings: int
    distinct: int
    seconds: float
    per_s: float
    late_max_ms: float
    cpu_ms_per_1000: float
