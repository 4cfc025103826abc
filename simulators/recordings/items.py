"""What an adapter makes of a recording: readings, and lines it leaves out with the reason."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import AnxinError

UNREADABLE = "unreadable"
NO_READING = "no reading"


class RecordingError(AnxinError):
    """This recording cannot be played."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One event as recorded. `at` is the recording's own wall clock, read as UTC: only differences count.

    `subject`: whom it is about, "" where the recording is of one home. `sensor`: a short word, unique for a subject,
    that becomes a child device of the registry model `model`. `line` counts from 1.
    """

    at: datetime
    line: int
    subject: str
    sensor: str
    model: str
    type: str
    value: Any = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A line, or one of its readings, that is left out. `reason`: UNREADABLE or NO_READING."""

    line: int
    reason: str
    detail: str


Item = Reading | Left


@dataclass(frozen=True, slots=True)
class Format:
    """`recognises` looks at a file's name and first lines; `read` yields its items in the order of its lines."""

    name: str
    recognises: Callable[[Path, list[str]], bool]
    read: Callable[[Path], Iterator[Item]]


def numbered_lines(path: Path) -> Iterator[tuple[int, str | None]]:
    """(line number, text without its end), None for a line that is not UTF-8. Raises RecordingError."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError:
                    yield number, None
    except OSError as error:
        raise RecordingError(f"{path} can't be read: {error.strerror}.") from None


def unreadable(line: int, detail: str) -> Left:
    return Left(line, UNREADABLE, detail)


def parsed_number(text: str) -> float | None:
    """A finite number, None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None
