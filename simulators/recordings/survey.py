"""A first walk through a recording: how much there is, from when to when, of whom, and what cannot be played.

Two walks keep the memory flat however long the recording is: this one counts, the second one plays.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from heapq import merge
from pathlib import Path

from simulators.recordings.find import Found
from simulators.recordings.items import Left, Reading, RecordingError

_LINES_NAMED = 20


@dataclass(frozen=True, slots=True)
class Sensor:
    subject: str
    name: str
    model: str


@dataclass(slots=True)
class Survey:
    """`left_lines`: the first few (file name, line, detail) of what is unreadable. `digest`: of the files' bytes."""

    readings: int = 0
    left: Counter[str] = field(default_factory=Counter)
    left_lines: list[tuple[str, int, str]] = field(default_factory=list)
    sensors: set[Sensor] = field(default_factory=set)
    first: dict[str, datetime] = field(default_factory=dict)
    last: dict[str, datetime] = field(default_factory=dict)
    digests: dict[Path, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        whole = blake2b(digest_size=4)
        for path in sorted(self.digests):
            whole.update(self.digests[path])
        return whole.hexdigest()

    @property
    def span(self) -> timedelta:
        """Of the longest subject: different people's recordings are played side by side from one beginning."""
        return max(self.last[subject] - self.first[subject] for subject in self.first)


@dataclass(frozen=True, slots=True)
class Played:
    """A reading at its place in the play: `offset` since the beginning, `id` the same in every run."""

    offset: timedelta
    reading: Reading
    id: str


def survey(found: Found) -> Survey:
    """Raises RecordingError when a file cannot be read or nothing in it can be played."""
    result = Survey()
    for path in found.files:
        result.digests[path] = _digest(path)
        for item in found.format.read(path):
            if isinstance(item, Left):
                _leave(result, path, item)
            else:
                _count(result, item)
    if not result.readings:
        where = result.left_lines[0] if result.left_lines else None
        why = f"; {where[0]} line {where[1]}: {where[2]}" if where else ""
        raise RecordingError(f"Nothing in {', '.join(path.name for path in found.files)} can be played{why}.")
    return result


def _leave(result: Survey, path: Path, item: Left) -> None:
    result.left[item.reason] += 1
    if item.reason == "unreadable" and len(result.left_lines) < _LINES_NAMED:
        result.left_lines.append((path.name, item.line, item.detail))


def _count(result: Survey, reading: Reading) -> None:
    result.readings += 1
    result.sensors.add(Sensor(reading.subject, reading.sensor, reading.model))
    subject, at = reading.subject, reading.at
    result.first[subject] = min(result.first.get(subject, at), at)
    result.last[subject] = max(result.last.get(subject, at), at)


def walk(found: Found, surveyed: Survey) -> Iterator[Played]:
    """Every reading once, files merged by time, lines of one file in their order."""
    return merge(*(_file(found, surveyed, path) for path in found.files), key=lambda played: played.offset)


def _file(found: Found, surveyed: Survey, path: Path) -> Iterator[Played]:
    digest = surveyed.digests[path]
    for item in found.format.read(path):
        if isinstance(item, Reading):
            key = f"{item.line}:{item.type}".encode()
            id_ = blake2b(key, key=digest, digest_size=16).hexdigest()
            yield Played(item.at - surveyed.first[item.subject], item, id_)


def _digest(path: Path) -> bytes:
    whole = blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                whole.update(piece)
    except OSError as error:
        raise RecordingError(f"{path} can't be read: {error.strerror}.") from None
    return whole.digest()
