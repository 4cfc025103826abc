"""Empatica E4 wristbands: `…HR.csv` (start, rate, then one bpm a line) and `…tags.csv` (presses of the button).

A press of the wristband's button becomes an `sos`. Each wearer is a subject of their own, named by the file's prefix.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulators.recordings.items import (
    NO_READING,
    Format,
    Item,
    Left,
    Reading,
    RecordingError,
    numbered_lines,
    parsed_number,
    unreadable,
)

_NAME = re.compile(r"(?P<subject>.*?)[_-]?(?P<kind>hr|tags)", re.IGNORECASE)
_MODEL = "wristband"
_EARLIEST, _LATEST = 946_684_800.0, 4_102_444_800.0  # the years 2000 to 2100


def read(path: Path) -> Iterator[Item]:
    return _presses(path) if _kind(path) == "tags" else _heart_rates(path)


def _heart_rates(path: Path) -> Iterator[Item]:
    began: datetime | None = None
    rate = 0.0
    for number, text in numbered_lines(path):
        value = parsed_number(text) if text is not None else None
        if number == 1:
            began = _instant(value)
            if began is None:
                raise RecordingError(f"{path}: the first line is not the time at which the recording began.")
        elif number == 2:
            rate = value or 0.0
            if not 0.001 <= rate <= 1000:
                raise RecordingError(f"{path}: the second line is not a sampling rate.")
        elif text is None or text.strip():
            assert began is not None
            yield _beat(path, number, value, began + timedelta(seconds=(number - 3) / rate))


def _beat(path: Path, number: int, bpm: float | None, at: datetime) -> Item:
    if bpm is None:
        return unreadable(number, "not a number")
    if bpm == 0:
        return Left(number, NO_READING, "0 bpm")
    return Reading(at, number, _subject(path), "wristband", _MODEL, "heart_rate", bpm)


def _presses(path: Path) -> Iterator[Item]:
    for number, text in numbered_lines(path):
        if text is not None and not text.strip():
            continue
        at = _instant(parsed_number(text)) if text is not None else None
        if at is None:
            yield unreadable(number, "not a time")
        else:
            yield Reading(at, number, _subject(path), "wristband", _MODEL, "sos")


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None or not _EARLIEST < seconds < _LATEST else datetime.fromtimestamp(seconds, UTC)


def _kind(path: Path) -> str | None:
    match = _NAME.fullmatch(path.stem)
    return match["kind"].lower() if match else None


def _subject(path: Path) -> str:
    match = _NAME.fullmatch(path.stem)
    return re.sub(r"[^a-z0-9]+", "-", match["subject"].lower()).strip("-")[:16] if match else ""


def recognises(path: Path, head: list[str]) -> bool:
    kind = _kind(path)
    if kind is None or not head or _instant(parsed_number(head[0])) is None:
        return False
    return kind == "tags" or (len(head) > 1 and parsed_number(head[1]) is not None)


FORMAT = Format("Empatica wristband", recognises, read)
