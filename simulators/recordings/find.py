"""From a path to the files that can be played: a file, or a folder with files of one format."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from simulators.recordings import casas, empatica, fitbit
from simulators.recordings.items import Format, RecordingError, numbered_lines

FORMATS = (casas.FORMAT, empatica.FORMAT, fitbit.FORMAT)
_HEAD_LINES = 20
_LONGEST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """`left_out`: files of the folder that are not played, each with a reason."""

    format: Format
    files: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...] = ()


def find(path: Path) -> Found:
    """Raises RecordingError with one sentence: missing, unreadable, empty, of no known format, or of several."""
    if not path.exists():
        raise RecordingError(f"There is no recording at {path}.")
    if not path.is_dir():
        return Found(_format_of(path, _head(path)), (path,))
    return _in_folder(path)


def _in_folder(folder: Path) -> Found:
    try:
        candidates = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise RecordingError(f"{folder} can't be read: {error.strerror}.") from None
    known: list[tuple[Path, Format]] = []
    left: list[tuple[Path, str]] = []
    for path in candidates:
        format_ = _recognised(path, _head(path))
        if format_ is not None:
            known.append((path, format_))
        else:
            left.append((path, "not a recording"))
    formats = {format_.name for _, format_ in known}
    if not known:
        raise RecordingError(f"{folder} holds no recording of a known format ({_known_names()}).")
    if len(formats) > 1:
        raise RecordingError(
            f"{folder} holds recordings of several formats ({', '.join(sorted(formats))}); name one file."
        )
    files = [path for path, _ in known]
    repeated = set(_repeats(files)) if known[0][1] is fitbit.FORMAT else set()
    left += [(path, "repeats what the other files hold") for path in repeated]
    return Found(known[0][1], tuple(path for path in files if path not in repeated), tuple(sorted(left)))


def _repeats(files: list[Path]) -> Iterator[Path]:
    """Joined exports: everything they measured is in a file of its own beside them."""
    measured = {path: fitbit.measured(_head(path)) for path in files}
    single = frozenset().union(*(kinds for kinds in measured.values() if len(kinds) == 1))
    return (path for path, kinds in measured.items() if len(kinds) > 1 and kinds <= single)


def _head(path: Path) -> list[str]:
    lines = islice(numbered_lines(path), _HEAD_LINES)
    return [(text or "")[:_LONGEST_LINE] for _, text in lines]


def _recognised(path: Path, head: list[str]) -> Format | None:
    return next((format_ for format_ in FORMATS if format_.recognises(path, head)), None)


def _format_of(path: Path, head: list[str]) -> Format:
    if not any(head):
        raise RecordingError(f"{path} is empty.")
    format_ = _recognised(path, head)
    if format_ is None:
        raise RecordingError(f"{path} is not a recording of a known format ({_known_names()}).")
    return format_


def _known_names() -> str:
    return ", ".join(format_.name for format_ in FORMATS)
