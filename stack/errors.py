"""What can go wrong with the local servers, each with a sentence a newcomer can act on.

StackError
├── AptMissing       no apt-get, dpkg-deb or Debian keyring on this machine
├── MirrorUnknown    apt is configured without any Debian archive
├── FetchFailed      apt could not fetch the packages
├── CacheDamaged     what was unpacked does not work
├── DiskFull         no space left for the cache or the data
├── PortTaken        another program listens on the port asked for
├── DataFolder       the data folder cannot be used
├── ServerFailed     a server did not start or did not stop
├── BackupFailed     no backup was made, and why
└── RestoreFailed    no database was restored, and why
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StackError(Exception):
    """The local servers cannot be used; the message says why and what to do, in one sentence."""


class AptMissing(StackError):
    """A tool of Debian that fetches or unpacks packages is missing."""


class MirrorUnknown(StackError):
    """apt's configuration names no Debian archive."""


class FetchFailed(StackError):
    """apt could not fetch the packages."""


class CacheDamaged(StackError):
    """What was unpacked does not work."""


class DiskFull(StackError):
    """No space left."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the disk that holds {folder} is full; free some space there or choose another folder "
            "(ANXIN_CACHE_DIR for the programs, --data-dir for the data)"
        )


class PortTaken(StackError):
    """Another program listens on the port asked for."""

    def __init__(self, port: int, server: str, option: str) -> None:
        super().__init__(
            f"port {port} for {server} is taken by another program; stop that program or choose another "
            f"port with {option}"
        )


class DataFolder(StackError):
    """The data folder cannot be used."""


class ServerFailed(StackError):
    """A server did not start or did not stop."""


class BackupFailed(StackError):
    """No backup was made; what was there before is untouched."""


class RestoreFailed(StackError):
    """No database was restored; the backup is untouched."""


@contextmanager
def disk_errors_named(folder: Path) -> Iterator[None]:
    """Turn the operating system's 'no space left' into DiskFull; every other error passes unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(folder) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
            raise DataFolder(
                f"{error.filename} cannot be written by this user; choose another folder "
                "(ANXIN_CACHE_DIR for the programs, --data-dir for the data)"
            ) from error
        raise
