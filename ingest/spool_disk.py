"""What the spool asks of the disk, in one place that a test can make fail."""

import fcntl
import os
from pathlib import Path

from core.errors import ConfigurationError

FILE_MODE = 0o600
FOLDER_MODE = 0o700


class Disk:
    """Plain calls; every one may raise OSError."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """All of it: a write that took less is repeated, and then says why."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[written:], offset + written

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """A new or renamed file is only there after a crash when its folder is on disk, too."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, folder: Path) -> int:
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def free_pct(self, folder: Path) -> float:
        found = os.statvfs(folder)
        return round(100 * found.f_bavail / found.f_blocks, 1) if found.f_blocks else 100.0


def hold(folder: Path) -> int:
    """Take the folder for this process; returns the descriptor that holds it, to close at the end.

    Raises ConfigurationError when another process has it or it cannot be made; other OSErrors (a full disk) as such.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise ConfigurationError(
            f"The spool folder {folder} cannot be used: {error.strerror}. Set ANXIN_INGEST_SPOOL_DIR."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError(
            f"Another process uses the spool folder {folder}: give each ingest worker a number of its own (--worker N)."
        ) from None
    return descriptor
