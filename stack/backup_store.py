"""A folder of backups: what lies where, what is whole, what may go.

DIR/20261127T022400Z/base/         a base backup as pg_basebackup wrote it, verified
DIR/20261127T022400Z/backup.json   what it is; written last, so a folder without it is not a backup
DIR/20261127T030000Z.partial/      one that was interrupted; removed by the next
DIR/wal/                           everything since, streamed by `--follow`
DIR/wal.until-…/                   a stream that broke off; what follows it is in wal/ again
DIR/follow.json                    what the follower last said of itself
"""

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from stack.errors import BackupFailed

_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")
_SEGMENT = re.compile(r"[0-9A-F]{24}")
FORMAT = 1


@dataclass(frozen=True)
class Backup:
    """The manifest of one base backup (`backup.json`). Times are ISO 8601 UTC, sizes bytes."""

    name: str
    started_at: str
    finished_at: str
    system_identifier: str
    timeline: int
    start_segment: str
    wal_segment_bytes: int
    server_version: str
    timescaledb_version: str
    schema_version: int
    database: str
    role: str
    newest_alert_event: int
    bytes: int
    backup_manifest_sha256: str
    keep_apart: list[dict[str, str]]
    format: int = FORMAT

    @property
    def finished(self) -> datetime:
        return datetime.fromisoformat(self.finished_at)


class BackupStore:
    """One folder given with `--to` or `--from`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.wal = self.folder / "wal"

    def prepare(self) -> None:
        """Make the folder, closed to others: what is in it is people's lives."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.wal.mkdir(mode=0o700, exist_ok=True)

    def backups(self) -> list[Backup]:
        """Whole ones, oldest first. Raises BackupFailed for a manifest of another format."""
        if not self.folder.is_dir():
            return []
        names = sorted(entry.name for entry in self.folder.iterdir() if _NAME.fullmatch(entry.name))
        return [found for name in names if (found := self._read(name)) is not None]

    def _read(self, name: str) -> Backup | None:
        file = self.folder / name / "backup.json"
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if values.get("format") == FORMAT:
                return Backup(**values)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise BackupFailed(f"{file} cannot be read ({error})") from error
        raise BackupFailed(f"{file} was written by another version of Anxin; restore it with that version")

    def base(self, backup: Backup) -> Path:
        return self.folder / backup.name / "base"

    def new_name(self, now: datetime) -> str:
        name = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        taken = sum(entry.name.startswith(name) for entry in self.folder.iterdir())
        return f"{name}-{taken}" if taken else name

    def remove_interrupted(self) -> list[str]:
        """Remove what an interrupted backup or removal left; returns the names."""
        left = [*self.folder.glob("*.partial"), *self.folder.glob("*.removing")]
        left = [entry for entry in left if entry.is_dir()]
        for entry in left:
            shutil.rmtree(entry)
        return [entry.name for entry in left]

    def finish(self, partial: Path, backup: Backup) -> None:
        """Write the manifest and give the folder its name: from here on it is a backup."""
        write_json(partial / "backup.json", asdict(backup))
        partial.rename(self.folder / backup.name)
        _sync_folder(self.folder)

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest `keep` and the log that only they needed; returns the names."""
        present = self.backups()
        gone, kept = present[:-keep], present[-keep:]
        for backup in gone:
            leaving = (self.folder / backup.name).rename(self.folder / f"{backup.name}.removing")
            shutil.rmtree(leaving)
        if gone and kept:
            first = min(backup.start_segment[8:] for backup in kept)
            for segment, file in self.segments().items():
                if segment[8:] < first:
                    file.unlink()
            for emptied in self.folder.glob("wal.until-*"):
                if not any(emptied.iterdir()):
                    emptied.rmdir()
        return [backup.name for backup in gone]

    def segments(self) -> dict[str, Path]:
        """Streamed segments by name, of every stream; a complete one wins over a partial one."""
        found: dict[str, Path] = {}
        for stream in [*sorted(self.folder.glob("wal.until-*")), self.wal]:
            for file in sorted(stream.iterdir()) if stream.is_dir() else ():
                name = file.name.removesuffix(".partial")
                if _SEGMENT.fullmatch(name) and (name not in found or not file.name.endswith(".partial")):
                    found[name] = file
        return found

    def timeline_histories(self) -> list[Path]:
        return [file for stream in self.folder.glob("wal*") for file in stream.glob("????????.history")]

    def set_stream_aside(self) -> None:
        """The server has dropped what comes next: the stream ends here, a new one begins beside it."""
        newest = max(self.segments(), default="")
        if newest:
            self.wal.rename(self.folder / f"wal.until-{newest}")
            self.wal.mkdir(mode=0o700)

    def following(self) -> dict[str, Any] | None:
        """What the follower last said of itself; None when none ever followed."""
        try:
            said: dict[str, Any] = json.loads((self.folder / "follow.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return said

    def require_same_database(self, system_identifier: str, timeline: int) -> None:
        """Raise BackupFailed when the folder belongs to another database or to its life before a restore."""
        for backup in self.backups()[-1:]:
            if backup.system_identifier != system_identifier:
                raise BackupFailed(f"{self.folder} holds backups of another database; choose another folder")
            if backup.timeline != timeline:
                raise BackupFailed(
                    f"{self.folder} holds backups from before this database was restored; keep them and choose "
                    "another folder for those to come"
                )


def segments_missing(names: list[str], segment_bytes: int) -> list[str]:
    """Which segment should follow but does not, for each hole in `names` (sorted by place, any timeline)."""
    per_file = 0x1_0000_0000 // segment_bytes
    numbers = [(int(name[8:16], 16) * per_file + int(name[16:], 16), name) for name in names]
    numbers.sort()
    return [before[1] for before, after in pairwise(numbers) if after[0] > before[0] + 1]


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Whole or not at all, on the disk, for its owner alone."""
    fresh = file.with_name(f".{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(document, opened, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.rename(file)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
