"""Fitbit exports by the minute: `dateTime,` then any of `bpm`, `spo2_value`; times like 6/25/2024 10:15, local.

SpO2 of exactly 50 is the device's way to say that it could not measure; it is left out here, as a hub that knows
its sensor leaves it out, and counted as "no reading".
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from simulators.recordings.items import (
    NO_READING,
    Format,
    Item,
    Left,
    Reading,
    numbered_lines,
    parsed_number,
    unreadable,
)

_COLUMNS = {"bpm": "heart_rate", "spo2_value": "spo2"}
_NOT_MEASURED = {"heart_rate": (0.0,), "spo2": (0.0, 50.0)}


def read(path: Path) -> Iterator[Item]:
    columns: list[str] = []
    for number, text in numbered_lines(path):
        if number == 1:
            columns = _header(text or "")
        elif text is None:
            yield unreadable(number, "not UTF-8")
        elif text.strip():
            yield from _items(number, columns, text.split(","))


def _items(number: int, columns: list[str], cells: list[str]) -> Iterator[Item]:
    at = _time(cells[0])
    if at is None or len(cells) != len(columns):
        yield unreadable(number, "not a time" if at is None else f"{len(cells)} columns instead of {len(columns)}")
        return
    for column, cell in zip(columns, cells, strict=True):
        if column in _COLUMNS:
            yield _item(number, at, _COLUMNS[column], parsed_number(cell))


def _item(number: int, at: datetime, type_: str, value: float | None) -> Item:
    if value is None:
        return unreadable(number, f"{type_} is not a number")
    if value in _NOT_MEASURED[type_]:
        return Left(number, NO_READING, f"{type_} {value:g}")
    return Reading(at, number, "", "watch", "wristband", type_, value)


def _header(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip(), "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None


def measured(head: list[str]) -> frozenset[str]:
    """Which quantities a file with this beginning holds."""
    return frozenset(_COLUMNS[column] for column in _header(head[0]) if column in _COLUMNS) if head else frozenset()


def recognises(_path: Path, head: list[str]) -> bool:
    return bool(head) and _header(head[0])[0] == "dateTime" and bool(measured(head))


FORMAT = Format("Fitbit export", recognises, read)
