"""The last minutes beside the moment: what came in, how old the oldest is, the largest worker's memory. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from anxin.top.frame import Frame

CELLS, FRAMES_A_CELL = 60, 5  # five minutes at a frame a second
_BARS = "▁▂▃▄▅▆▇█"
_UNKNOWN = "·"  # nobody answered: not the same as nothing


@dataclass(frozen=True, slots=True)
class Moment:
    """Of all ingest workers: events received a second, the oldest that waits, memory of the largest. None: not told."""

    per_s: float | None
    oldest_s: float | None
    megabytes: float | None


class Past:
    """Grows by a frame at a time and forgets what is older than its cells."""

    def __init__(self) -> None:
        self._cells: deque[list[Moment]] = deque(maxlen=CELLS)

    def add(self, frame: Frame) -> None:
        if not self._cells or len(self._cells[-1]) == FRAMES_A_CELL:
            self._cells.append([])
        self._cells[-1].append(moment(frame))

    def series(self, member: str) -> list[float | None]:
        """The largest of each cell, oldest first: a peak of one second stays to be seen."""
        return [_largest([getattr(each, member) for each in cell]) for cell in self._cells]


def moment(frame: Frame) -> Moment:
    lanes = frame["ingest"]
    memory = [found for part, found in frame["resident_bytes"].items() if part.startswith("ingest")]
    largest = _largest(memory)
    return Moment(
        per_s=sum(lane["per_s"]["received"] for lane in lanes) if lanes else None,
        oldest_s=_largest([lane["oldest_s"] for lane in lanes]),
        megabytes=None if largest is None else largest / 1e6,
    )


def sparkline(values: Sequence[float | None]) -> str:
    """A bar each, from zero to the largest."""
    most = _largest(values) or 0.0
    return "".join(_UNKNOWN if value is None else _BARS[_height(value, most)] for value in values)


def _height(value: float, most: float) -> int:
    return min(len(_BARS) - 1, int(value / most * len(_BARS))) if most > 0 else 0


def _largest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
